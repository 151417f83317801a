"""What has died in a run without ending it: layers that nothing comes through any more, tickets that learned nothing."""

from __future__ import annotations

from lthviz.records import Stage, Ticket

GUESSED = 1.2
"""Accuracy on the training images, as a multiple of guessing, up to which a ticket has learned nothing."""


def told(event: Stage, classes: int) -> str:
    """What to warn of at the end of a stage, in one line; '' where all is well. classes: that the network tells apart."""
    if event.kind == "rewind" or (ticket := event.round.tickets.get(event.structure)) is None:
        return ""
    return _learned_nothing(ticket, classes) if event.kind == "train" else _empty(ticket)


def _empty(ticket: Ticket) -> str:
    gone = [name for name in ticket.masks if not ticket.masks.nnz(name)]
    if not gone:
        return ""
    named = ", ".join(gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
    return (f"round {ticket.round}, {ticket.structure}: {named} {'has' if len(gone) == 1 else 'have'} no weight left, so nothing of the image comes through; "
            "fewer rounds, a lower rate or settings of this layer's own keep some")


def _learned_nothing(ticket: Ticket, classes: int) -> str:
    chance = 100 / max(2, classes)
    if ticket.curve is None or not len(ticket.curve.train_acc) or (reached := float(ticket.curve.train_acc[-1])) > GUESSED * chance:
        return ""
    return (f"round {ticket.round}, {ticket.structure}: learned nothing: {reached:.1f} % of its training images are right after its last epoch, where guessing gives "
            f"{chance:.1f} %; a lower lr, more epochs, or more kept weights where a layer is nearly empty")
