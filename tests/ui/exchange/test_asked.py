"""What is asked of a network that comes in: files under names of ours, a command that is safe to paste, options called as the fields."""

import shlex

import pytest

from lthviz.errors import ExchangeError
from lthviz.exchange import apart
from lthviz.ui.exchange.asked import MOST, Asked, base, by_field


class Upload:
    """As much of Streamlit's uploaded file as is used."""

    def __init__(self, name, data=b"data", size=None):
        self.name, self.data, self.size, self.file_id = name, data, len(data) if size is None else size, name

    def getbuffer(self):
        return self.data


@pytest.mark.parametrize("name, suffix", [("../../etc/passwd", ""), ("C:\\mine\\a.PT", ".pt"), ("a.pth.tar", ".tar"), ("..", ""), (".pt", ""), ("x.pt\n.exe", ""), ("a.sh", ""), ("a/../b.h5", ".h5")])
def test_a_name_is_no_path(name, suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "fresh_folder", lambda: tmp_path)
    folder, names, paths = Asked({"file": Upload(name), "masks": Upload("../m.npz", b"masks")}).put()
    assert folder == tmp_path and sorted(p.name for p in tmp_path.iterdir()) == sorted([f"file{suffix}", "masks.npz"])
    assert names == {str(tmp_path / f"file{suffix}"): base(name), str(tmp_path / "masks.npz"): "m.npz"} and paths["masks"].read_bytes() == b"masks"


def test_what_the_disk_does_not_take_leaves_no_folder(tmp_path, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(apart, "fresh_folder", lambda: tmp_path)
    upload = Upload("a.pt")
    upload.getbuffer = full
    with pytest.raises(ExchangeError, match="could not be put on the disk: No space left on device"):
        Asked({"file": upload}).put()
    assert not tmp_path.exists()


def test_the_command_can_be_pasted():
    said = Asked({"file": Upload("a b;rm -rf $HOME.pt"), "masks": Upload("-m.npz")}, model="timm:resnet26", data="imagenet").command()
    assert shlex.split(said) == ["python", "-m", "lthviz", "import", "a b;rm -rf $HOME.pt", "--model", "timm:resnet26", "--data", "imagenet", "--masks", "./-m.npz"]
    assert shlex.split(Asked({"file": Upload("--dry.pt")}).command())[4] == "./--dry.pt"


def test_what_is_too_much_is_refused():
    assert f"{MOST} MB are taken here at most" in Asked({"file": Upload("large.pt", size=MOST * 1_000_000 + 1)}).refusal
    assert "Both a file and a path" in Asked({"file": Upload("a.pt")}, path="/b").refusal and not Asked({"file": Upload("a.pt")}).refusal


def test_options_are_called_as_the_fields():
    assert by_field("say which: --data digits|cifar10, or --image 1xHxW; (--masks) --rewind-to") == "say which: “Images” (digits, cifar10), or “Size of the images” 1xHxW; (“Masks”) “Weights to rewind to”"
