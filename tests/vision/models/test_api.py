import copy
import inspect
import pickle
from enum import Enum
from typing import Optional

import pytest

import rushlight
from rushlight import hub
from rushlight.vision import models
from rushlight.vision.models import ResNet18_Weights, _api


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Puts a state dict in the place where the download of some weights would be kept."""
    monkeypatch.setattr(hub, "_dir", str(tmp_path))

    def publish(weights, state):
        folder = tmp_path / "checkpoints"
        folder.mkdir(exist_ok=True)
        rushlight.save(state, folder / weights.url.rpartition("/")[2])

    return publish


class TestWeights:
    def test_members(self):
        assert list(models.ResNet50_Weights.__members__) == [
            "IMAGENET1K_V1",
            "IMAGENET1K_V2",
            "DEFAULT",
        ]
        assert models.ResNet50_Weights.DEFAULT is models.ResNet50_Weights.IMAGENET1K_V2
        assert repr(ResNet18_Weights.DEFAULT) == "ResNet18_Weights.IMAGENET1K_V1"

    def test_what_is_known(self):
        weights = ResNet18_Weights.IMAGENET1K_V1
        assert weights.url == "https://download.pytorch.org/models/resnet18-f37072fd.pth"
        assert weights.meta["num_params"] == 11689512
        assert weights.meta["min_size"] == (1, 1)
        assert len(weights.meta["categories"]) == 1000
        assert weights.meta["categories"][-1] == "toilet tissue"
        assert weights.value.url == weights.url

    def test_each_file_tells_its_sum(self):
        for name in models.list_models():
            for weights in models.get_model_weights(name):
                assert hub._sum_in(weights.url) is not None, weights

    def test_features_have_no_categories(self):
        assert models.VGG16_Weights.IMAGENET1K_FEATURES.meta["categories"] is None

    @pytest.mark.parametrize("name", ["DEFAULT", "IMAGENET1K_V1", "ResNet18_Weights.DEFAULT"])
    def test_verify_takes_names(self, name):
        assert ResNet18_Weights.verify(name) is ResNet18_Weights.DEFAULT

    def test_verify_gives_back_what_is_right(self):
        assert ResNet18_Weights.verify(None) is None
        assert ResNet18_Weights.verify(ResNet18_Weights.DEFAULT) is ResNet18_Weights.DEFAULT

    def test_verify_rejects(self):
        with pytest.raises(KeyError, match="it has IMAGENET1K_V1, DEFAULT"):
            ResNet18_Weights.verify("IMAGENET1K_V2")
        with pytest.raises(TypeError, match="expected ResNet18_Weights but received AlexNet"):
            ResNet18_Weights.verify(models.AlexNet_Weights.DEFAULT)
        with pytest.raises(TypeError, match="received int"):
            models.resnet18(weights=3)

    def test_pickle_and_copy_give_the_member(self):
        member = ResNet18_Weights.DEFAULT
        assert pickle.loads(pickle.dumps(member)) is member
        assert copy.deepcopy(member) is member
        assert isinstance(member, Enum)


class TestTransforms:
    def test_settings_of_the_preset(self, monkeypatch):
        monkeypatch.setattr(_api, "_preset", dict)
        transforms = _api._weights(
            "u", {"crop_size": 224, "mean": [0.1, 0.2, 0.3]}, {"min_size": [1, 1]}
        )
        assert transforms.transforms() == {"crop_size": 224, "mean": (0.1, 0.2, 0.3)}
        assert transforms.transforms(crop_size=100)["crop_size"] == 100

    def test_an_image_becomes_what_the_model_takes(self):
        image = rushlight.full((3, 300, 400), 255, dtype=rushlight.uint8)
        x = models.EfficientNet_B0_Weights.DEFAULT.transforms()(image)
        assert x.shape == (3, 224, 224)
        expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
        assert x[:, 0, 0].tolist() == pytest.approx(expected, rel=1e-5)


class TestBuilders:
    def test_signature(self):
        signature = inspect.signature(models.resnet18)
        assert list(signature.parameters) == ["weights", "progress", "kwargs"]
        assert signature.parameters["weights"].annotation == Optional[ResNet18_Weights]  # noqa: UP045
        assert signature.return_annotation is models.ResNet
        assert models.resnet18.__module__ == "rushlight.vision.models.resnet"
        assert "11,689,512 parameters" in models.resnet18.__doc__
        assert pickle.loads(pickle.dumps(models.resnet18)) is models.resnet18

    def test_weights_are_loaded(self, published):
        rushlight.manual_seed(0)
        kept = models.squeezenet1_1()
        published(models.SqueezeNet1_1_Weights.DEFAULT, kept.state_dict())
        for weights in ("DEFAULT", models.SqueezeNet1_1_Weights.IMAGENET1K_V1):
            model = models.squeezenet1_1(weights=weights, progress=False)
            for name, value in model.state_dict().items():
                assert bool((value == kept.state_dict()[name]).all()), name

    def test_an_argument_against_the_weights(self):
        with pytest.raises(
            ValueError, match="'num_classes' expected value 1000 but got 10 instead: load the"
        ):
            models.resnet18(weights="DEFAULT", num_classes=10)

    def test_an_argument_against_the_model(self):
        with pytest.raises(ValueError, match="'groups' expected value 32 but got 1 instead"):
            models.resnext50_32x4d(groups=1)

    def test_the_same_number_of_classes_is_no_error(self, published):
        state = models.squeezenet1_1().state_dict()
        published(models.SqueezeNet1_1_Weights.DEFAULT, state)
        assert models.squeezenet1_1(weights="DEFAULT", num_classes=1000).num_classes == 1000

    @pytest.mark.parametrize(
        "args, kwargs", [((True,), {}), ((), {"pretrained": True}), ((True, False), {})]
    )
    def test_pretrained_warns_and_loads(self, published, args, kwargs):
        published(models.SqueezeNet1_1_Weights.DEFAULT, models.squeezenet1_1().state_dict())
        with pytest.warns(UserWarning, match="write weights=SqueezeNet1_1_Weights.IMAGENET1K_V1"):
            models.squeezenet1_1(*args, **kwargs)

    @pytest.mark.parametrize("args, kwargs", [((False,), {}), ((), {"pretrained": False})])
    def test_not_pretrained_warns(self, args, kwargs):
        with pytest.warns(UserWarning, match="squeezenet1_1: write weights=None"):
            models.squeezenet1_1(*args, **kwargs)

    def test_pretrained_without_first_weights(self):
        with pytest.raises(ValueError, match="RegNet_Y_128GF_Weights.IMAGENET1K_SWAG_E2E_V1 or"):
            models.regnet_y_128gf(pretrained=True)

    def test_rejects_what_is_given_twice(self):
        with pytest.raises(TypeError, match="multiple values for argument 'weights'"):
            models.resnet18(None, weights=None)
        with pytest.raises(TypeError, match="by name, but got 3"):
            models.resnet18(None, True, 10)


class TestNames:
    def test_list_models(self):
        assert models.list_models(include="vgg1[13]*", exclude="*_bn") == ["vgg11", "vgg13"]
        assert models.list_models(module=models) == models.list_models()
        assert models.list_models(module=rushlight.nn) == []
        assert len(models.list_models()) == 64

    def test_get_model(self):
        assert isinstance(models.get_model("ResNet18", num_classes=2), models.ResNet)
        assert models.get_model_builder("resnet18") is models.resnet18

    def test_unknown_model(self):
        with pytest.raises(ValueError, match="Unknown model resnet19; did you mean .*resnet18"):
            models.get_model("resnet19")
        with pytest.raises(ValueError, match="list_models"):
            models.get_model("qqqq")

    def test_get_model_weights(self):
        assert models.get_model_weights("resnet18") is ResNet18_Weights
        assert models.get_model_weights(models.resnet18) is ResNet18_Weights
        with pytest.raises(ValueError, match="missing the 'weights' argument"):
            models.get_model_weights(lambda: None)
        with pytest.raises(ValueError, match="names no WeightsEnum"):
            models.get_model_weights(lambda weights: None)

    def test_get_weight(self):
        assert models.get_weight("ResNet18_Weights.IMAGENET1K_V1") is ResNet18_Weights.DEFAULT
        with pytest.raises(ValueError, match="Invalid weight name provided: 'ResNet18'"):
            models.get_weight("ResNet18")
        with pytest.raises(ValueError, match="did you mean .*ResNet18_Weights"):
            models.get_weight("ResNet8_Weights.DEFAULT")
        with pytest.raises(KeyError, match="'V1'; it has IMAGENET1K_V1"):
            models.get_weight("ResNet18_Weights.V1")

    def test_register_model(self, monkeypatch):
        monkeypatch.setattr(_api, "_MODELS", dict(_api._MODELS))

        @_api.register_model()
        def tiny():
            return rushlight.nn.Identity()

        assert isinstance(models.get_model("tiny"), rushlight.nn.Identity)
        with pytest.raises(ValueError, match="already registered under the name 'tiny'"):
            _api.register_model("tiny")(tiny)
