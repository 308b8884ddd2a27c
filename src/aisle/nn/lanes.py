"""Sixteen float32 at once, in Numba kernels whose inner loops are too short for the compiler to find them by itself.

A kernel names an array and a place in its memory, which must be contiguous; nothing checks that sixteen numbers lie
there. LLVM makes of it what the processor has: one register of AVX-512, two of AVX2, four of NEON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

#: How many numbers.
NUM = 16

_FLOATS = ir.VectorType(ir.FloatType(), NUM)
_WORDS = ir.VectorType(ir.IntType(32), NUM)
_SHORTS = ir.VectorType(ir.IntType(16), NUM)
Code = tuple[Any, Callable[..., Any]]


class _LanesType(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)  # type: ignore[no-untyped-call]  # Numba has types in part


def padded(count: int) -> int:
    """The next number that is whole lanes."""
    return -(-count // NUM) * NUM


def _for_kernels(function: Callable[..., Code]) -> Any:
    """What kernels call: the function says of which types, and writes the code."""
    return intrinsic(function)


@_for_kernels
def zeros(typing: Any) -> Code:
    """``zeros()``: sixteen zeros."""
    return _LANES(), lambda context, builder, signature, values: _all(_FLOATS, 0.0)


@_for_kernels
def load(typing: Any, array: Any, at: Any) -> Code:
    """``load(array, at)``: numbers of an array of float32, or of the bits of bfloat16, from a place on."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        if array.dtype == types.float32:
            return builder.load(builder.bitcast(place, _FLOATS.as_pointer()), align=4)
        shorts = builder.load(builder.bitcast(place, _SHORTS.as_pointer()), align=2)
        return builder.bitcast(builder.shl(builder.zext(shorts, _WORDS), _all(_WORDS, 16)), _FLOATS)

    return _LANES(array, types.intp), code


@_for_kernels
def store(typing: Any, array: Any, at: Any, lanes: Any) -> Code:
    """``store(array, at, lanes)``: write them; to the bits of bfloat16 rounded to the nearest, the even one of two."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place, floats = _place(context, builder, signature, values), values[2]
        if array.dtype == types.float32:
            builder.store(floats, builder.bitcast(place, _FLOATS.as_pointer()), align=4)
            return context.get_dummy_value()
        bits = builder.bitcast(floats, _WORDS)
        is_odd = builder.and_(builder.lshr(bits, _all(_WORDS, 16)), _all(_WORDS, 1))
        to_even = builder.add(builder.add(bits, _all(_WORDS, 0x7FFF)), is_odd)
        is_nan = builder.fcmp_unordered("uno", floats, floats)
        rounded = builder.select(is_nan, _all(_WORDS, 0x7FC00000), to_even)
        shorts = builder.trunc(builder.lshr(rounded, _all(_WORDS, 16)), _SHORTS)
        builder.store(shorts, builder.bitcast(place, _SHORTS.as_pointer()), align=2)
        return context.get_dummy_value()

    return types.void(array, types.intp, _LANES), code


@_for_kernels
def transpose(typing: Any, array: Any, at: Any, step: Any, out: Any, out_at: Any, out_step: Any) -> Code:
    """``transpose(array, at, step, out, out_at, out_step)``: sixteen times sixteen numbers, both of float32.

    Rows begin ``step`` places apart in ``array``, columns, which are written as rows, ``out_step`` apart in ``out``.
    """

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _place(context, builder, signature, values)
        rows = []
        for _ in range(NUM):
            rows.append(builder.load(builder.bitcast(place, _FLOATS.as_pointer()), align=4))
            place = builder.gep(place, [values[2]])
        for half in (8, 4, 2, 1):  # squares of so many rows and columns beside the diagonal change places
            upper = _constant([lane if not lane & half else NUM + lane - half for lane in range(NUM)])
            lower = _constant([lane + half if not lane & half else NUM + lane for lane in range(NUM)])
            for row in (row for row in range(NUM) if not row & half):
                pair = rows[row], rows[row + half]
                rows[row] = builder.shuffle_vector(*pair, upper)
                rows[row + half] = builder.shuffle_vector(*pair, lower)
        place = _place(context, builder, signature, values, first=3)
        for row in rows:
            builder.store(row, builder.bitcast(place, _FLOATS.as_pointer()), align=4)
            place = builder.gep(place, [values[5]])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, out, types.intp, types.intp), code


def _constant(numbers: list[int]) -> Any:
    return ir.Constant(_WORDS, numbers)


@_for_kernels
def prefetch(typing: Any, array: Any, at: Any) -> Code:
    """``prefetch(array, at)``: ask for what lies there, without waiting for it."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = builder.bitcast(_place(context, builder, signature, values), ir.IntType(8).as_pointer())
        numbers = [ir.Constant(ir.IntType(32), number) for number in (0, 3, 1)]  # to read, soon again, data
        kind = ir.FunctionType(ir.VoidType(), [place.type] + [number.type for number in numbers])
        ask = _function(builder, kind, "llvm.prefetch.p0")
        builder.call(ask, [place, *numbers])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


@_for_kernels
def add(typing: Any, one: Any, other: Any) -> Code:
    """``add(one, other)``: their sums."""
    return _LANES(_LANES, _LANES), lambda context, builder, signature, values: builder.fadd(*values)


@_for_kernels
def multiply(typing: Any, one: Any, other: Any) -> Code:
    """``multiply(one, other)``: their products."""
    return _LANES(_LANES, _LANES), lambda context, builder, signature, values: builder.fmul(*values)


@_for_kernels
def total(typing: Any, lanes: Any) -> Code:
    """``total(lanes)``: the sum of the sixteen, in an order that the processor likes."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        float32 = ir.FloatType()
        reduce = _function(builder, ir.FunctionType(float32, [float32, _FLOATS]), f"llvm.vector.reduce.fadd.v{NUM}f32")
        return builder.call(reduce, [ir.Constant(float32, 0.0), values[0]], fastmath=["reassoc"])

    return types.float32(_LANES), code


@_for_kernels
def add_product(typing: Any, total: Any, factors: Any, at: Any, lanes: Any) -> Code:
    """``add_product(total, factors, at, lanes)``: ``total + factors[at] * lanes``; ``factors`` of float32."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        factor = builder.load(_place(context, builder, signature, values, first=1))
        return _total_and_product(builder, values[0], factor, values[3])

    return _LANES(_LANES, factors, types.intp, _LANES), code


@_for_kernels
def add_scaled(typing: Any, total: Any, factor: Any, lanes: Any) -> Code:
    """``add_scaled(total, factor, lanes)``: ``total + factor * lanes``; ``factor`` is a float32."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _total_and_product(builder, *values)

    return _LANES(_LANES, types.float32, _LANES), code


def _total_and_product(builder: Any, total: Any, factor: Any, lanes: Any) -> Any:
    undefined = ir.Constant(_FLOATS, ir.Undefined)
    one = builder.insert_element(undefined, factor, ir.Constant(ir.IntType(32), 0))
    everywhere = builder.shuffle_vector(one, undefined, _all(_WORDS, 0))
    fused = _function(builder, ir.FunctionType(_FLOATS, [_FLOATS] * 3), f"llvm.fmuladd.v{NUM}f32")
    return builder.call(fused, [everywhere, lanes, total])


def _place(context: Any, builder: Any, signature: Any, values: Any, first: int = 0) -> Any:
    """The address of an array's element, by the arguments ``first`` and the one behind it."""
    array = context.make_array(signature.args[first])(context, builder, values[first])
    return builder.gep(array.data, [values[first + 1]])


def _all(kind: Any, value: float) -> Any:
    return ir.Constant(kind, [value] * NUM)


def _function(builder: Any, kind: Any, name: str) -> Any:
    return cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
