"""Whether gradients are recorded: contexts, decorators, generators, threads."""

import threading

import pytest

import rushlight as torch


@pytest.mark.parametrize(
    "mode, recorded",
    [
        (torch.no_grad, False), (torch.enable_grad, True), (torch.inference_mode, False),
        (lambda: torch.set_grad_enabled(False), False), (lambda: torch.inference_mode(False), True),
    ],
)  # fmt: skip
def test_as_context_and_as_decorator(mode, recorded):
    x = torch.ones(1, requires_grad=True)
    with mode():
        assert (x * 2).requires_grad is recorded
    assert torch.is_grad_enabled()

    @mode()
    def inside():
        return (x * 2).requires_grad

    assert torch.is_grad_enabled()
    assert inside() is recorded and inside.__name__ == "inside"


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_as_a_decorator_without_parentheses(mode):
    @mode
    def inside():
        return torch.is_grad_enabled()

    assert inside() is False


def test_a_generator_keeps_its_mode_to_itself():
    seen = []

    @torch.no_grad()
    def steps():
        try:
            got = yield torch.is_grad_enabled()
            seen.append(got)
            yield torch.is_grad_enabled()
        except ValueError:
            yield "caught"
        finally:
            seen.append(torch.is_grad_enabled())

    run = steps()
    assert next(run) is False and torch.is_grad_enabled()
    assert run.send(3) is False and run.throw(ValueError()) == "caught"
    run.close()
    assert seen == [3, False] and torch.is_grad_enabled()


def test_an_exception_restores_the_mode():
    with pytest.raises(KeyError), torch.no_grad():
        raise KeyError
    assert torch.is_grad_enabled()


def test_nesting():
    with torch.no_grad():
        with torch.enable_grad():
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    with torch.inference_mode(), torch.inference_mode(False):
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_set_grad_enabled_as_a_function():
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


def test_each_thread_has_its_own_mode():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]
