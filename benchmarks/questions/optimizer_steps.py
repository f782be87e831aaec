"""How long does an optimizer take for ResNet-18's 62 parameters, and for one of the same size?

Each stands there twice: with the framework's defaults, and with ``fused=True``.
"""

from .resnet18 import resnet18

RULES = {
    "SGD": ("SGD", {"lr": 1e-3}),
    "SGD momentum": ("SGD", {"lr": 1e-3, "momentum": 0.9}),
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {}),
}


def cases(torch):
    torch.manual_seed(0)
    model = list(resnet18(torch).parameters())
    tensor = [torch.nn.Parameter(torch.randn(11_000_000))]
    for p in model + tensor:
        p.grad = torch.randn(p.shape)
    return {
        f"{rule}, {place}{', fused' if fused else ''}": step(torch, rule, params, fused)
        for place, params in (("ResNet-18", model), ("11 million in one", tensor))
        for rule in RULES
        for fused in (False, True)
    }


def step(torch, rule, params, fused):
    name, options = RULES[rule]
    optimizer = getattr(torch.optim, name)(params, fused=fused or None, **options)

    def run():
        optimizer.step()

    return run
