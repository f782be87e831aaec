"""From measured rows to what is read: medians, ratios, agreement of losses, and the table."""

from statistics import median

# Two frameworks add in different orders; what differs by more than this in three steps is a
# different model.
LOSS_TOLERANCE = 1e-3


def summarise(row):
    """Adds ``medians`` to a row; for two sides ``ratio``, ``ratio_range``, ``losses_agree`` too."""
    row = dict(row, medians=[median(values) for values in row["values"]])
    if len(row["values"]) == 2:
        # Neighbours in time are divided by each other, so that a slow minute of the machine
        # cancels.
        ratios = [peer / ours for ours, peer in zip(*row["values"], strict=True)]
        row["ratio"] = median(ratios)
        row["ratio_range"] = [min(ratios), max(ratios)]
        row["losses_agree"] = agree(*row["results"])
    return row


def agree(ours, peer):
    """Returns whether losses are equal to rounding; None where there is nothing to compare."""
    if not ours and not peer:
        return None
    return len(ours) == len(peer) and all(
        abs(x - y) <= LOSS_TOLERANCE * max(abs(x), abs(y)) for x, y in zip(ours, peer, strict=True)
    )


def quantity(value, unit):
    """Returns a number with its unit, seconds in the multiple that reads best.

    >>> quantity(0.0000019, "s"), quantity(0.0067, "s"), quantity(1.04, "s"), quantity(312.4, "MB")
    ('1.90 us', '6.70 ms', '1.04 s', '312 MB')
    """
    if unit == "s":
        for factor, name in ((1e-6, "us"), (1e-3, "ms")):
            if value < 1000 * factor:
                return f"{significant(value / factor)} {name}"
    return f"{significant(value)} {unit}"


def significant(value):
    """Returns a number with three digits that count.

    >>> significant(1.5), significant(15.25), significant(1525.4)
    ('1.50', '15.2', '1525')
    """
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def table(rows, frameworks):
    """Returns the rows as aligned text: one column per framework and, for two, their ratio."""
    header = ["", *frameworks]
    if len(frameworks) == 2:
        header += [f"{frameworks[1]} / {frameworks[0]}", "lowest - highest"]
    lines = [header]
    for row in rows:
        line = [row["label"], *(quantity(value, row["unit"]) for value in row["medians"])]
        if len(frameworks) == 2:
            low, high = row["ratio_range"]
            line += [f"{row['ratio']:.2f}", f"{low:.2f} - {high:.2f}"]
        lines.append(line)
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(align(line, widths) for line in lines)


def align(line, widths):
    first, *rest = (
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def loss_lines(rows):
    """Returns sentences on whether both frameworks trained the same models."""
    checked = [row for row in rows if row.get("losses_agree") is not None]
    if not checked:
        return []
    differing = [row for row in checked if not row["losses_agree"]]
    if not differing:
        return [f"The first losses agree in all {len(checked)} trainings."]
    return [
        f"THE LOSSES DIFFER in {row['label']!r}: {row['results'][0]} against {row['results'][1]}."
        for row in differing
    ]


def disturbance_lines(rows, rounds):
    """Returns a warning for the rows whose figures were taken while other programs ran."""
    disturbed = [row for row in rows if row["disturbed"]]
    return [
        f"The machine was busy in {row['disturbed']} of {rounds} rounds of {row['label']!r}: "
        f"its figures may be too high."
        for row in disturbed
    ]
