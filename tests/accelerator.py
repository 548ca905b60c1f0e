"""A second device for tests, made of CPU tensors, on which code that mixes devices fails as on a GPU.

``torch.device("pretend")`` is registered with PyTorch's Python backend (``torch.utils.backend_registration``). Its
tensors are wrappers of CPU tensors, so results are those of the CPU. What fails or is counted as on CUDA:

- operations on tensors of both devices: refused; only CPU tensors without axes are allowed, in pointwise operations;
- ``numpy()``, and CPU generators for random numbers of the device: refused;
- random numbers have a generator of their own, with the stream of the CPU's for the same seed;
- CPU integers index a tensor of the device, which is a transfer; ``gather``, ``index_select``, ``index_add_`` and the
  like refuse them. A CPU mask is refused too, though CUDA makes integers of it on the CPU and copies them;
- autocast has CUDA's operations in bfloat16 and in float32.

:func:`count_transfers` counts copies and the times that the CPU waits for a result. Not imitated: streams (everything
runs at once), memory limits, kernels that CUDA lacks, and the order of CUDA's sums.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "pretend"
CPU = torch.device("cpu")
aten = torch.ops.aten
# what torch.autocast computes in the lower precision, and in float32, on CUDA
LOW = """conv1d conv2d conv3d conv_transpose1d conv_transpose2d.input conv_transpose3d.input convolution linear matmul
mm mv bmm addmm addmv addr baddbmm addbmm prelu chain_matmul linalg_multi_dot einsum scaled_dot_product_attention"""
FULL = """acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar
pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm group_norm frobenius_norm.dim nuclear_norm
cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss kl_div l1_loss
smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss triplet_margin_loss
binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp prod prod.dim_int softmax.int log_softmax.int cumprod
cumsum sum sum.dim_IntList norm.Scalar norm.ScalarOpt_dim linalg_vector_norm linalg_matrix_norm"""
WIDEST = "addcdiv addcmul atan2 bilinear cross dot grid_sampler index_put tensordot scatter_add cat stack vdot"
# operations that make a tensor on a device from none
FACTORIES = """arange empty empty_permuted empty_strided eye full linspace logspace ones rand randint randn randperm
scalar_tensor tril_indices triu_indices zeros"""
# operations whose result has a size that the CPU must wait for
SIZED_BY_VALUES = {"nonzero", "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount"}
WAITS = {"_local_scalar_dense", "equal", "is_nonzero", *SIZED_BY_VALUES}
TAKES_SCALARS = {"fill_", "masked_fill", "masked_fill_", "where", "index_put", "index_put_", "_index_put_impl_"}
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_"}


@dataclass
class Transfers:
    """Copies to the device and to the CPU, and all times that the CPU waits for the device, copies to it included."""

    to_device: int = 0
    to_host: int = 0
    waits: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str, *, to_device: int = 0, to_host: int = 0, waits: int = 0) -> None:
        """Count an operation."""
        if to_device or to_host or waits:
            self.names.append(name)
        self.to_device, self.to_host, self.waits = (
            self.to_device + to_device,
            self.to_host + to_host,
            self.waits + waits,
        )


_total = Transfers()


@contextlib.contextmanager
def count_transfers() -> Iterator[Transfers]:
    """The transfers within the block, in all threads."""
    global _total
    before, _total = _total, Transfers()
    try:
        yield _total
    finally:
        _total = before


class PretendTensor(torch.Tensor):
    """A tensor of the device, with its values in ``host``."""

    host: torch.Tensor

    @staticmethod
    def __new__(cls, host: torch.Tensor) -> PretendTensor:
        made = torch.Tensor._make_wrapper_subclass(
            cls, host.shape, strides=host.stride(), storage_offset=host.storage_offset(), dtype=host.dtype,
            device=torch.device(NAME, 0),
        )  # fmt: skip
        made.host = host
        return made

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.cpu().numpy()
        raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first.")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __repr__(self, **_: Any) -> str:
        return f"pretend({self.host!r})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(op, args, kwargs or {})


class _Generators:
    """The device's random generator: a CPU generator of its own."""

    own = torch.Generator()

    @classmethod
    @contextlib.contextmanager
    def in_use(cls) -> Iterator[None]:
        """Within the block random numbers on the CPU come from the device's generator."""
        before = torch.get_rng_state()
        torch.set_rng_state(cls.own.get_state())
        try:
            yield
        finally:
            cls.own.set_state(torch.get_rng_state())
            torch.set_rng_state(before)


def _run(op: Any, args: Any, kwargs: Any) -> Any:
    """An operation on the CPU's tensors, after the checks that CUDA makes."""
    name = op._schema.name.removeprefix("aten::")
    tensors = [value for value in _leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
    ours = {id(value.host): value for value in tensors if isinstance(value, PretendTensor)}
    wanted = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
    if name in ("copy_", "_to_copy"):
        source, target = (args[1], args[0].device) if name == "copy_" else (args[0], wanted or args[0].device)
        to_host = not source.is_cpu and target.type == "cpu"
        _total.add(name, to_device=source.is_cpu and target.type == NAME, to_host=to_host, waits=to_host)
    elif ours and len(ours) < len(tensors):
        _refuse_mixed(op, name, args, [value for value in tensors if not isinstance(value, PretendTensor)])
    if name in INDEXED:
        on_cpu = [index.is_cpu for index in args[1] if index is not None]
        masks = [index for index in args[1] if isinstance(index, PretendTensor) and index.dtype == torch.bool]
        _total.add(name, to_device=0 if args[0].is_cpu else sum(on_cpu), waits=len(masks))
    elif name in WAITS:
        _total.add(name, waits=1, to_host=name not in SIZED_BY_VALUES)
    if any(isinstance(value, torch.Generator) for value in _leaves((args, kwargs))):
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found 'cpu'")

    host_args, host_kwargs = _map(_to_host, args), {key: _map(_to_host, value) for key, value in kwargs.items()}
    if wanted is not None:
        host_kwargs["device"] = CPU
    seeded = torch.Tag.nondeterministic_seeded in op.tags
    with _Generators.in_use() if seeded else contextlib.nullcontext():
        result = op(*host_args, **host_kwargs)
    if name == "copy_":
        return args[0]
    if wanted == CPU:
        return result

    def wrapped(host: Any) -> Any:
        if not isinstance(host, torch.Tensor):
            return host
        found = ours.get(id(host))
        if found is not None and found.shape != host.shape:
            raise NotImplementedError(f"{name} changes the shape of a {NAME} tensor in place")
        return PretendTensor(host) if found is None else found

    return _map(wrapped, result)


def _leaves(value: Any) -> Iterator[Any]:
    """The values in nested lists, tuples and dictionaries."""
    if isinstance(value, (list, tuple, dict)):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _leaves(entry)
    else:
        yield value


def _map(function: Any, value: Any) -> Any:
    """A value, or the values in nested lists and tuples, by a function."""
    if isinstance(value, (list, tuple)):
        return type(value)([_map(function, entry) for entry in value])
    return function(value)


def _to_host(value: Any) -> Any:
    return value.host if isinstance(value, PretendTensor) else value


def _refuse_mixed(op: Any, name: str, args: Any, foreign: list[torch.Tensor]) -> None:
    """Raise RuntimeError where CUDA would for CPU tensors among the arguments."""
    scalars = torch.Tag.pointwise in op.tags or name in TAKES_SCALARS or name.startswith("_foreach")
    written = [
        value
        for value, argument in zip(args, op._schema.arguments, strict=False)
        if argument.alias_info is not None and argument.alias_info.is_write and isinstance(value, torch.Tensor)
    ]
    indices = [index for index in args[1] if index is not None] if name in INDEXED else []
    for value in foreign:
        is_index = any(value is index for index in indices)
        if is_index and value.dtype in (torch.int64, torch.int32) and not args[0].is_cpu:
            continue
        is_written = any(value is other for other in written)
        if value.dim() == 0 and scalars and not is_index and not is_written:
            continue
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and cpu! "
            f"(in aten::{name})"
        )


def _make_factory(op: Any) -> Any:
    def make(*args: Any, **kwargs: Any) -> Any:
        return _run(op, args, kwargs)

    return make


def _copy_from(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    """What ``torch.tensor(values, device=…)`` fills its result by."""
    copied: torch.Tensor = _run(aten.copy_.default, (target, source), {})
    return copied


def _make_cast(op: Any, rule: str) -> Any:
    """An operation under autocast, its floating-point tensors in the precision of the rule."""
    autocast_key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

    def cast(*args: Any, **kwargs: Any) -> Any:
        tensors = [value for value in _leaves((args, kwargs)) if _is_castable(value)]
        if rule == "low":
            dtype = torch.get_autocast_dtype(NAME)
        elif rule == "full" or any(value.dtype == torch.float32 for value in tensors):
            dtype = torch.float32
        else:
            dtype = torch.get_autocast_dtype(NAME)
        with torch._C._ExcludeDispatchKeyGuard(autocast_key):
            lowered = _map(lambda value: value.to(dtype) if _is_castable(value) else value, [args, *kwargs.values()])
            return op(*lowered[0], **dict(zip(kwargs, lowered[1:], strict=True)))

    return cast


def _is_castable(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in (torch.float32, torch.float16, torch.bfloat16)


def _module() -> ModuleType:
    """What PyTorch asks the module of a device for."""
    module: Any = ModuleType(f"torch.{NAME}")

    def get_rng_state(device: Any = NAME) -> torch.Tensor:
        return _Generators.own.get_state()

    def set_rng_state(state: torch.Tensor, device: Any = NAME) -> None:
        _Generators.own.set_state(state)

    def manual_seed_all(seed: int) -> None:
        _Generators.own.manual_seed(seed)

    module.is_available = module.is_initialized = lambda: True
    module._is_in_bad_fork = lambda: False
    module.device_count = lambda: 1
    module.current_device = lambda: 0
    module.synchronize = lambda device=None: None
    module.empty_cache = lambda: None
    module.get_rng_state, module.set_rng_state = get_rng_state, set_rng_state
    module.manual_seed = module.manual_seed_all = manual_seed_all
    module.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]
    return module


_libraries: list[Any] = []  # registrations last as long as these


def pretend_device() -> torch.device:
    """The device, registered at the first call; that must come before the first ``backward`` of the process."""
    if not _libraries:
        _setup_privateuseone_for_python_backend(NAME, backend_module=_module())
        library = torch.library.Library("aten", "IMPL")
        _libraries.append(library)
        for packet in map(aten.__getattr__, FACTORIES.split()):
            for op in [getattr(packet, overload) for overload in packet.overloads()]:
                if any(argument.name == "device" for argument in op._schema.arguments):
                    library.impl(op.name().removeprefix("aten::"), _make_factory(op), "PrivateUse1")
        library.impl("_copy_from", _copy_from, "PrivateUse1")
        fallback = torch.library.Library("_", "IMPL")
        fallback.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
        _libraries.append(fallback)
        for rule, names in (("low", LOW), ("full", FULL), ("widest", WIDEST)):
            for word in names.split():
                name, _, overload = word.partition(".")
                op = getattr(getattr(aten, name), overload or "default")
                library.impl(word, _make_cast(op, rule), "AutocastPrivateUse1")
        # optimisers use the operations on lists of tensors for these types, as on CUDA
        from torch.optim import optimizer

        optimizer._foreach_supported_types.append(PretendTensor)
    return torch.device(NAME)
