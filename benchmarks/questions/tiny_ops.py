"""What does an op cost when there is almost nothing to compute: on ten elements?"""


def cases(torch):
    torch.manual_seed(0)
    a = torch.randn(10, requires_grad=True)
    b = torch.randn(10)
    w = torch.randn(10, requires_grad=True)

    def add():
        a + b

    def chain():
        y = a * b
        y = y + b
        y = y.relu()
        y = y - a
        y = y.exp()

    def backward():
        a.grad = w.grad = None
        ((a * w + b) ** 2).mean().backward()

    return {
        "a + b, recorded": add,
        "chain of 5 ops, recorded": chain,
        "4 ops and their backward": backward,
    }
