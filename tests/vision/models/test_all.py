"""Models of all families: what torchvision 0.28 gives for the same seed, in double precision."""

import numpy as np
import pytest

import rushlight
from rushlight.vision import models

# The size of the images, the number of parameters, and two of the results.
RESULTS = {
    "alexnet": (63, 61100840, [0.006256785310082942, -0.013345710518076547]),
    "densenet121": (64, 7978856, [0.22693835024522113, 0.1300326549216195]),
    "efficientnet_b0": (64, 5288548, [0.25174341273801326, 0.04929337060690688]),
    "googlenet": (64, 13004888, [0.32697788868918326, -0.004965874164133716]),
    "inception_v3": (75, 23834568, [-1.671773707523084, -5.494198842232993]),
    "mnasnet0_5": (64, 2218512, [0.28000302266174315, 0.4535005478885741]),
    "mobilenet_v2": (64, 3504872, [-0.20701359308200895, 0.30281826789040145]),
    "mobilenet_v3_large": (64, 5483032, [-0.017556506824912034, -0.00796728423309381]),
    "mobilenet_v3_small": (64, 2542856, [-0.019532479880675344, -0.01311974978619869]),
    "regnet_x_400mf": (64, 5495976, [-0.6306495793969848, -0.6766154786137459]),
    "regnet_y_400mf": (64, 4344144, [0.492544336065991, 0.07015700291817162]),
    "resnet18": (64, 11689512, [-0.1725685865490955, 0.23479545556870907]),
    "resnet50": (64, 25557032, [0.7089715058145998, 0.05051378146080948]),
    "resnext50_32x4d": (64, 25028904, [1.3591585986673835, -0.2516534980071223]),
    "shufflenet_v2_x0_5": (64, 1366792, [0.26637587523215184, 0.05427125629005092]),
    "squeezenet1_0": (64, 1248424, [0.023742634711987946, 0.0016257865397191562]),
    "squeezenet1_1": (64, 1235496, [0.06856359244251485, 0.040221550055335904]),
}


@pytest.mark.parametrize("name", list(RESULTS))
def test_first_values_and_results_while_training(name):
    size, parameters, expected = RESULTS[name]
    settings = {"aux_logits": False} if name == "inception_v3" else {}
    rushlight.manual_seed(0)
    model = models.get_model(name, **settings).double()
    assert sum(p.numel() for p in model.parameters()) == parameters
    x = rushlight.linspace(-2, 2, 9 * size * size, dtype=rushlight.float64)
    with rushlight.no_grad():
        y = model(x.view(3, 3, size, size))
    logits = getattr(y, "logits", y)
    assert logits.shape == (3, 1000)
    np.testing.assert_allclose(logits[0, :2].numpy(), expected, rtol=1e-6)


# The sums of the absolute gradients of the first and the last weight.
GRADIENTS = {
    "efficientnet_b0": [4.166312721011957e-24, 1.32608796106278e-24],
    "mnasnet0_5": [1.2651946637064626e-12, 1.204723257970621e-12],
    "mobilenet_v2": [2.3240344837075444e-17, 1.0506194116688907e-15],
    "mobilenet_v3_small": [2.77203823684041e-18, 6.983872541582532e-17],
    "regnet_y_400mf": [0.17617140633844564, 1.8978767302774746],
    "resnet18": [85.22659537245855, 26.579397717349973],
    "shufflenet_v2_x0_5": [5.7047310846738464e-05, 0.0001848357187653187],
    "squeezenet1_1": [1.6111878730655609, 53.05047095316371],
}


@pytest.mark.parametrize("name", list(GRADIENTS))
def test_gradients_in_eval(name):
    rushlight.manual_seed(0)
    model = models.get_model(name, num_classes=3).double().eval()
    x = rushlight.linspace(-2, 2, 6 * 32 * 32, dtype=rushlight.float64)
    (model(x.view(2, 3, 32, 32)) ** 2).sum().backward()
    parameters = list(model.parameters())
    found = [parameters[i].grad.abs().sum().item() for i in (0, -2)]
    np.testing.assert_allclose(found, GRADIENTS[name], rtol=1e-6)
