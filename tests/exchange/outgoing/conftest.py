import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small networks, many of them: threads that wait for one another cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
