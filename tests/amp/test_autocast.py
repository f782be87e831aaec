import threading

import pytest

import rushlight
from rushlight import casting
from rushlight.amp import autocast, custom_bwd, custom_fwd

F = rushlight.nn.functional
float32, float16, bfloat16 = rushlight.float32, rushlight.float16, rushlight.bfloat16


@pytest.fixture(autouse=True)
def _leaves_nothing_behind():
    yield
    assert casting.regions["cpu"] == casting.regions["cuda"] == casting.regions["any"] == []
    assert casting.local.nesting == 0 and not casting.local.cache and casting.local.cache_enabled
    assert casting.local.dtypes == casting.DEFAULTS


def matrix(dtype=float32, **options):
    return rushlight.ones(4, 4, dtype=dtype, **options)


class TestRegion:
    def test_the_words(self):
        x = matrix()
        with autocast("cpu"):
            low = x @ x
            assert low.dtype is bfloat16
            assert F.mse_loss(low, low).dtype is float32
            assert low.exp().dtype is bfloat16
            assert (x + 1).dtype is float32
            assert rushlight.mv(x, x[0]).dtype is float32
            assert rushlight.index_copy(x, 0, rushlight.arange(4), low).dtype is float32
        assert (x @ x).dtype is float32

    def test_dtype(self):
        with autocast("cpu", dtype=float16):
            assert (matrix() @ matrix()).dtype is float16
            assert rushlight.get_autocast_dtype("cpu") is float16
        with autocast("cpu", float16):
            assert F.linear(matrix(), matrix()).dtype is float16

    def test_what_is_cast(self):
        with autocast("cpu"):
            assert (matrix(float16) @ matrix()).dtype is bfloat16
            assert (
                matrix(rushlight.float64) @ matrix(rushlight.float64)
            ).dtype is rushlight.float64
            assert (matrix(rushlight.int64) @ matrix(rushlight.int64)).dtype is rushlight.int64
            assert rushlight.mm(matrix().to("meta"), matrix().to("meta")).dtype is float32

    def test_nesting(self):
        x = matrix()
        with autocast("cpu"):
            with autocast("cpu", enabled=False):
                assert (x @ x).dtype is float32
                with autocast("cpu", dtype=float16):
                    assert (x @ x).dtype is float16
                assert not rushlight.is_autocast_enabled("cpu")
            assert (x @ x).dtype is bfloat16

    def test_ends_with_an_error(self):
        with pytest.raises(ZeroDivisionError), autocast("cpu"):
            raise ZeroDivisionError
        assert not rushlight.is_autocast_enabled("cpu")

    def test_one_region_entered_twice(self):
        region = autocast("cpu")
        with region, region:
            pass
        with region:
            assert (matrix() @ matrix()).dtype is bfloat16
        assert (matrix() @ matrix()).dtype is float32

    def test_in_place_and_out_are_not_cast(self):
        x, out = matrix(), matrix()
        x[0, 0] = 1 + 2.0**-12
        with autocast("cpu"):
            rushlight.matmul(x, matrix(), out=out)
            assert out[0, 0].item() == 4 + 2.0**-12
            rushlight.addmm(x, x, matrix(), beta=0, out=out)
            assert out[0, 0].item() == 4 + 2.0**-12

    def test_result_is_rounded(self):
        x = matrix()
        x[0, 0] = 1 + 2.0**-12
        with autocast("cpu"):
            assert (x @ matrix())[0, 0].item() == 4

    def test_errors_stay_those_of_the_op(self):
        with autocast("cpu"):
            with pytest.raises(RuntimeError, match="cannot be multiplied"):
                matrix() @ rushlight.ones(3, 3)
            with pytest.raises(TypeError, match="must be Tensor, not list"):
                F.mse_loss([1.0], matrix())
            assert (matrix() @ matrix()).dtype is bfloat16

    def test_threads_have_their_own(self):
        seen = {}

        def work():
            seen["dtype"] = (matrix() @ matrix()).dtype
            seen["enabled"] = rushlight.is_autocast_enabled("cpu")

        with autocast("cpu"):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert seen == {"dtype": float32, "enabled": False}

    def test_other_threads_regions_do_not_matter_here(self):
        inside, go_on, seen = threading.Event(), threading.Event(), {}

        def work():
            with autocast("cpu"):
                inside.set()
                go_on.wait()
                seen["dtype"] = (matrix() @ matrix()).dtype

        thread = threading.Thread(target=work)
        thread.start()
        inside.wait()
        assert (matrix() @ matrix()).dtype is float32
        go_on.set()
        thread.join()
        assert seen["dtype"] is bfloat16


class TestDecorator:
    def test_function(self):
        @autocast("cpu")
        def product(x):
            """Its own docstring."""
            return x @ x

        assert product(matrix()).dtype is bfloat16
        assert product.__doc__ == "Its own docstring."
        assert (matrix() @ matrix()).dtype is float32

    def test_recursive_function(self):
        @autocast("cpu")
        def product(x, depth):
            return product(x, depth - 1) if depth else x @ x

        assert product(matrix(), 3).dtype is bfloat16
        assert (matrix() @ matrix()).dtype is float32

    def test_generator(self):
        @autocast("cpu")
        def products(x):
            yield x @ x
            yield x @ x

        seen = []
        for made in products(matrix()):
            seen.append((made.dtype, (matrix() @ matrix()).dtype))
        assert seen == [(bfloat16, float32)] * 2

    def test_forward_of_a_layer(self):
        class Layer(rushlight.nn.Linear):
            @autocast("cpu", dtype=float16)
            def forward(self, x):
                return super().forward(x)

        assert Layer(4, 2)(matrix()).dtype is float16

    def test_needs_a_function(self):
        with pytest.raises(TypeError, match="decorates a function, not Tensor"):
            autocast("cpu")(matrix())


class TestGradients:
    def test_come_in_the_dtype_of_the_parameter(self):
        layer = rushlight.nn.Linear(4, 2)
        with autocast("cpu"):
            y = layer(matrix())
        y.sum().backward()
        assert y.dtype is bfloat16
        assert layer.weight.grad.dtype is float32
        assert layer.weight.grad.tolist() == [[4.0] * 4] * 2

    def test_backward_is_not_cast_again(self):
        x = matrix(requires_grad=True)
        factor = rushlight.full((4, 4), 1 + 2.0**-12)
        y = (x @ factor).sum()
        with autocast("cpu"):
            y.backward()
            assert x.grad[0, 0].item() == 4 * (1 + 2.0**-12)
            assert rushlight.is_autocast_enabled("cpu")
            assert (factor @ factor).dtype is bfloat16

    def test_backward_within_the_region(self):
        w = matrix(requires_grad=True)
        with autocast("cpu"):
            (matrix() @ w).sum().backward()
        assert w.grad.tolist() == [[4.0] * 4] * 4

    def test_hooks_see_no_region(self):
        x, seen = matrix(requires_grad=True), []
        x.register_hook(lambda g: seen.append((g @ g).dtype))
        with autocast("cpu"):
            (x * 2).sum().backward()
        assert seen == [float32]

    def test_second_gradient(self):
        x = rushlight.full((1, 1), 3.0, requires_grad=True)
        with autocast("cpu"):
            y = x @ x @ x
        (g,) = rushlight.autograd.grad(y.sum(), x, create_graph=True)
        g.sum().backward()
        assert g.dtype is float32
        assert (g.item(), x.grad.item()) == (27.0, 18.0)


class TestCache:
    def casts(self, monkeypatch):
        made = []
        monkeypatch.setattr(
            rushlight.Tensor,
            "to",
            lambda x, dtype, to=rushlight.Tensor.to: made.append(x) or to(x, dtype),
        )
        return made

    def test_a_parameter_is_cast_once(self, monkeypatch):
        w, made = matrix(requires_grad=True), self.casts(monkeypatch)
        x = matrix(bfloat16)
        with autocast("cpu"):
            y = x @ w
            with autocast("cpu", dtype=bfloat16):
                y = y @ w
            (y @ w).sum().backward()
        assert [t is w for t in made].count(True) == 1
        with autocast("cpu"):
            x @ w
        assert [t is w for t in made].count(True) == 2

    def test_everything_else_each_time(self, monkeypatch):
        x, made = matrix(), self.casts(monkeypatch)
        with autocast("cpu"):
            x @ matrix(bfloat16)
            x @ matrix(bfloat16)
        assert len(made) == 2

    def test_switched_off(self, monkeypatch):
        w, made = matrix(requires_grad=True), self.casts(monkeypatch)
        with autocast("cpu", cache_enabled=False):
            assert not rushlight.is_autocast_cache_enabled()
            matrix(bfloat16) @ w
            matrix(bfloat16) @ w
        assert rushlight.is_autocast_cache_enabled()
        assert len(made) == 2

    def test_another_dtype_is_another_cast(self):
        w = matrix(requires_grad=True)
        with autocast("cpu"):
            assert (w @ w).dtype is bfloat16
            with autocast("cpu", dtype=float16):
                assert (w @ w).dtype is float16

    def test_changed_in_place(self):
        w = matrix(requires_grad=True)
        with autocast("cpu"):
            assert (matrix() @ w)[0, 0].item() == 4
            with rushlight.no_grad():
                w.mul_(2)
            assert (matrix() @ w)[0, 0].item() == 8
            w.data = matrix() * 3
            assert (matrix() @ w)[0, 0].item() == 12

    def test_made_while_nothing_records(self):
        w = matrix(requires_grad=True)
        with autocast("cpu"):
            with rushlight.no_grad():
                matrix() @ w
            y = matrix() @ w
        assert y.requires_grad

    def test_cleared(self):
        w = matrix(requires_grad=True)
        with autocast("cpu"):
            matrix() @ w
            assert len(casting.local.cache) == 1
            rushlight.clear_autocast_cache()
            assert not casting.local.cache


class TestWhatCannotBe:
    def test_cuda(self):
        with pytest.warns(UserWarning, match="CUDA is not available"):
            region = autocast("cuda")
        with region:
            assert not rushlight.is_autocast_enabled()
            assert (matrix() @ matrix()).dtype is float32

    def test_cuda_not_enabled(self):
        with autocast("cuda", enabled=False):
            pass

    @pytest.mark.parametrize("dtype", [float32, rushlight.float64, rushlight.int64, "bfloat16"])
    def test_dtype(self, dtype):
        with pytest.warns(UserWarning, match="must be torch.bfloat16 or torch.float16"):
            region = autocast("cpu", dtype=dtype)
        with region:
            assert (matrix() @ matrix()).dtype is float32

    def test_device(self):
        with pytest.raises(ValueError, match="of a torch.device take its .type"):
            autocast(rushlight.device("cpu"))
        with pytest.raises(RuntimeError, match="has no autocast; use one of cpu, cuda"):
            autocast("meta")
        with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
            autocast("gpu")

    def test_binary_cross_entropy_in_float16_on_cuda(self, monkeypatch):
        monkeypatch.setattr(casting, "device_type_of", lambda x: "cuda")
        p = rushlight.full((2,), 0.5)
        rushlight.set_autocast_enabled("cuda", True)
        with pytest.raises(RuntimeError, match="binary_cross_entropy_with_logits, which is safe"):
            F.binary_cross_entropy(p, p)
        rushlight.set_autocast_enabled("cuda", False)

    def test_word(self):
        with pytest.raises(ValueError, match="autocast must be one of lower, float32"):
            casting.words("higher")


class TestState:
    def test_switch(self):
        rushlight.set_autocast_enabled("cpu", True)
        assert rushlight.is_autocast_enabled("cpu") and not rushlight.is_autocast_enabled()
        assert (matrix() @ matrix()).dtype is bfloat16
        rushlight.set_autocast_dtype("cpu", float16)
        assert (matrix() @ matrix()).dtype is float16
        rushlight.set_autocast_dtype("cpu", bfloat16)
        rushlight.set_autocast_enabled("cpu", False)
        assert (matrix() @ matrix()).dtype is float32

    def test_without_a_device_it_is_cuda(self):
        rushlight.set_autocast_enabled(True)
        assert rushlight.is_autocast_enabled() and rushlight.is_autocast_enabled("cuda:0")
        assert (matrix() @ matrix()).dtype is float32
        rushlight.set_autocast_enabled(False)

    def test_nesting(self):
        assert rushlight.autocast_increment_nesting() == 1
        assert rushlight.autocast_decrement_nesting() == 0

    def test_dtypes(self):
        assert rushlight.get_autocast_dtype("cpu") is bfloat16
        assert rushlight.get_autocast_dtype("cuda") is float16
        with pytest.raises(RuntimeError, match="no autocast for device type 'meta'"):
            rushlight.get_autocast_dtype("meta")
        with pytest.raises(TypeError, match="must be str, such as 'cpu', not int"):
            rushlight.is_autocast_enabled(3)

    def test_available(self):
        assert rushlight.amp.is_autocast_available("cpu")
        assert rushlight.amp.is_autocast_available("cuda")
        assert not rushlight.amp.is_autocast_available("meta")

    def test_older_spellings(self):
        for ask in (
            rushlight.is_autocast_cpu_enabled, rushlight.get_autocast_cpu_dtype, rushlight.get_autocast_gpu_dtype,
        ):  # fmt: skip
            with pytest.warns(DeprecationWarning, match="is deprecated; write torch."):
                ask()
        for change, value in (
            (rushlight.set_autocast_cpu_enabled, False), (rushlight.set_autocast_cpu_dtype, bfloat16),
            (rushlight.set_autocast_gpu_dtype, float16),
        ):  # fmt: skip
            with pytest.warns(DeprecationWarning, match="is deprecated; write torch."):
                change(value)

    def test_older_regions(self):
        with pytest.warns(FutureWarning, match="write torch.amp.autocast\\('cpu', args...\\)"):
            region = rushlight.cpu.amp.autocast()
        with region:
            assert (matrix() @ matrix()).dtype is bfloat16
        with pytest.warns(FutureWarning):
            region = rushlight.cuda.amp.autocast(False, bfloat16, False)
        assert (region.fast_dtype, region._enabled) == (bfloat16, False)


class TestCustomFunction:
    @staticmethod
    def function(cast_inputs):
        seen = []

        class Product(rushlight.autograd.Function):
            @staticmethod
            @custom_fwd(device_type="cpu", cast_inputs=cast_inputs)
            def forward(ctx, x, y):
                ctx.save_for_backward(x, y)
                seen.append((x.dtype, (x @ y).dtype))
                return x @ y

            @staticmethod
            @custom_bwd(device_type="cpu")
            def backward(ctx, g):
                x, y = ctx.saved_tensors
                seen.append((g @ y).dtype)
                return g @ y.t(), x.t() @ g

        return Product, seen

    def test_as_it_is(self):
        function, seen = self.function(None)
        x = matrix(requires_grad=True)
        with autocast("cpu"):
            y = function.apply(x, matrix())
        y.sum().backward()
        assert seen == [(float32, bfloat16), bfloat16]
        assert x.grad.dtype is float32

    def test_with_inputs_cast(self):
        function, seen = self.function(float32)
        x = matrix(bfloat16, requires_grad=True)
        with autocast("cpu"):
            y = function.apply(x, matrix(bfloat16))
        y.sum().backward()
        assert seen == [(float32, float32), float32]
        assert (y.dtype, x.grad.dtype) == (float32, bfloat16)

    def test_outside_of_a_region(self):
        function, seen = self.function(float16)
        function.apply(matrix(requires_grad=True), matrix()).sum().backward()
        assert seen == [(float32, float32), float32]

    def test_backward_within_a_region_without_one_in_forward(self):
        function, seen = self.function(None)
        y = function.apply(matrix(requires_grad=True), matrix()).sum()
        with autocast("cpu"):
            y.backward()
            assert (matrix() @ matrix()).dtype is bfloat16
        assert seen == [(float32, float32), float32]

    def test_both_within_one_region(self):
        function, seen = self.function(None)
        with autocast("cpu"):
            function.apply(matrix(requires_grad=True), matrix()).sum().backward()
            assert (matrix() @ matrix()).dtype is bfloat16
        assert seen == [(float32, bfloat16), bfloat16]

    def test_older_spelling(self):
        with pytest.warns(FutureWarning):
            rushlight.cuda.amp.custom_fwd(lambda ctx: None)
        with pytest.warns(FutureWarning):
            rushlight.cuda.amp.custom_bwd(lambda ctx: None)

    def test_device(self):
        with pytest.raises(ValueError, match="device_type must be a str"):
            custom_fwd(lambda ctx: None, device_type=0)
        with pytest.raises(ValueError, match="device_type must be a str"):
            custom_bwd(lambda ctx: None, device_type=None)
