"""Which frames of a traceback are shown; what running a script shows is in test_cli.py."""

from rushlight.compat.script import frames_of_script


def traceback_lines(trace):
    lines = []
    while trace is not None:
        lines.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    return lines


def test_frames_outside_of_a_script_are_left_alone():
    def fail():
        raise ValueError

    try:
        fail()
    except ValueError as error:
        shown = frames_of_script(ValueError, error.__traceback__)
    assert traceback_lines(shown) == ["test_frames_outside_of_a_script_are_left_alone", "fail"]


def test_no_frames_give_no_frames():
    assert frames_of_script(ValueError, None) is None
