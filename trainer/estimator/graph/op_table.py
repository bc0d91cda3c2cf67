"""What is known of TensorFlow's operations by their types: the one table that partitioning and sharding consult.

A test holds that TensorFlow has every op that is named here.
"""

from __future__ import annotations

import tensorflow as tf

# Given from outside when the graph runs.
PLACEHOLDER = "Placeholder"
PLACEHOLDERS = frozenset({PLACEHOLDER, "PlaceholderWithDefault"})
# In front of what is to be replicated over TPUs, whose ops say so in attributes.
TPU_PROGRAM = "TPUReplicateMetadata"
# Run in training whether or not anything is fetched that depends on them: a person put them there to be run.
CHECK = "Assert"
ALWAYS_RUN = frozenset({"PrintV2", CHECK})
READ = "ReadVariableOp"
# Products of matrices, [..., m, k] and [..., k, n], with the attributes that say which of the two is transposed.
PRODUCTS = {
    "MatMul": ("transpose_a", "transpose_b"),
    "BatchMatMul": ("adj_x", "adj_y"),
    "BatchMatMulV2": ("adj_x", "adj_y"),
    "BatchMatMulV3": ("adj_x", "adj_y"),
}
# Handles of iterators of TensorFlow 1, and what takes their next elements.
ITERATORS = frozenset(
    {"Iterator", "IteratorV2", "OneShotIterator", "IteratorFromStringHandle", "IteratorFromStringHandleV2"}
)
GET_NEXT = frozenset({"IteratorGetNext", "IteratorGetNextSync"})
# Run the function that is their body again and again.
LOOPS = frozenset({"While", "StatelessWhile"})
# Queues of TensorFlow 1, what fills them, what takes their next elements, and readers of the files that they name.
QUEUES = frozenset({"FIFOQueueV2", "PaddingFIFOQueueV2", "PriorityQueueV2", "RandomShuffleQueueV2"})
ENQUEUES = frozenset({"QueueEnqueueManyV2", "QueueEnqueueV2"})
DEQUEUES = frozenset({"QueueDequeueManyV2", "QueueDequeueUpToV2", "QueueDequeueV2"})
QUEUE_SIZE = "QueueSizeV2"
READER_READS = frozenset({"ReaderReadUpToV2", "ReaderReadV2"})
# Each element of the outputs comes from the elements at the same place in the inputs, which may be broadcast.
_ELEMENTWISE = (
    "Abs Add AddN AddV2 Cast ClipByValue Div DivNoNan Equal Erf Exp Floor FloorDiv FloorMod Greater GreaterEqual "
    "Identity Inv IsFinite IsInf IsNan Less LessEqual Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum Mul "
    "MulNoNan Neg NotEqual OnesLike Pow PreventGradient RealDiv Reciprocal Relu Round Rsqrt SelectV2 Sigmoid Sign "
    "Snapshot Softplus Sqrt Square SquaredDifference StopGradient Sub Tanh Xdivy ZerosLike"
)
ELEMENTWISE = frozenset(_ELEMENTWISE.split())
# What XLA for CPUs computes again in each loop that takes the result: not among them is what it takes to be expensive.
_EXPENSIVE = (
    "Div DivNoNan Erf Exp FloorDiv FloorMod Inv Log Log1p Pow RealDiv Reciprocal Rsqrt Sigmoid Softplus Sqrt Tanh Xdivy"
)
_CHEAP_FOR_XLA = "BiasAdd BroadcastTo ExpandDims Relu6 ReluGrad Reshape SigmoidGrad Slice Squeeze StridedSlice TanhGrad"
CHEAP_FOR_XLA = ELEMENTWISE - frozenset(_EXPENSIVE.split()) | frozenset(_CHEAP_FOR_XLA.split())
# What servers may compute of an update: it costs about what reading and writing the values costs. A matrix product is
# not among them, so that a server never does a worker's work.
_ALSO_CHEAP = (
    "All Any BiasAdd BroadcastTo ConcatV2 Const Cumsum ExpandDims Fill GatherV2 IdentityN L2Loss Max Mean Min NoOp "
    "Pack Prod Range Reshape Select Shape Size Slice Split SplitV Squeeze StridedSlice Sum Tile Transpose Unique "
    "Unpack UnsortedSegmentSum"
)
CHEAP = ELEMENTWISE | frozenset(_ALSO_CHEAP.split())
# Elementwise, and each result is the same bits whatever is computed beside it: vector units and scalar ones approximate
# functions by different series.
_EXACT = (
    "Abs Add AddV2 Cast Ceil Div DivNoNan Equal Floor Greater GreaterEqual Identity IsFinite IsInf IsNan Less "
    "LessEqual LogicalAnd LogicalNot LogicalOr Mul Neg NotEqual OnesLike PreventGradient RealDiv Rint Round SelectV2 "
    "Snapshot Square SquaredDifference StopGradient Sub ZerosLike"
)
EXACT = frozenset(_EXACT.split())
# Likewise of integers; of floats vector units take another zero of two with different signs.
EXACT_OF_INTEGERS = frozenset({"FloorDiv", "FloorMod", "Maximum", "Minimum", "Sign"})
# Of texts, each by itself, into texts or numbers of the same shape.
_OF_TEXTS = (
    "AsString DecodeBase64 EncodeBase64 RegexFullMatch RegexReplace StaticRegexFullMatch StaticRegexReplace "
    "StringLength StringLower StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong "
    "StringToNumber StringUpper"
)
OF_TEXTS = frozenset(_OF_TEXTS.split())
# Look keys up in a table by its handle: keys of any shape, each by itself.
TABLE_LOOKUPS = frozenset({"LookupTableFindV2"})
# Take rows of a variable by its handle and the numbers of the rows.
GATHERS = frozenset({"ResourceGather", "ResourceGatherNd"})
# The same of a tensor.
TENSOR_GATHERS = frozenset({"Gather", "GatherV2", "GatherNd"})
# Set or add to a variable as it is, without a rule of an optimizer.
ASSIGNMENTS = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})
# Write a variable by its handle; each prefix stands for a family, as ResourceApplyAdam is of the first.
UPDATE_PREFIXES = ("ResourceApply", "ResourceSparseApply", "ResourceScatter", "Assign")
# Updates whose indices are not numbers of rows, so that no holder of rows can do its part alone.
NOT_BY_ROWS = frozenset({"ResourceScatterNdUpdate", "ResourceScatterNdAdd", "ResourceScatterNdSub"})
# The same for the others that scatter: inputs (variable, numbers of rows, values).
ROW_SCATTERS = frozenset(f"ResourceScatter{kind}" for kind in ["Add", "Sub", "Mul", "Div", "Min", "Max", "Update"])
# Scatter into a tensor: inputs (tensor, places, values).
TENSOR_SCATTERS = frozenset(f"TensorScatter{kind}" for kind in ["Add", "Sub", "Min", "Max", "Update"])
# Sums and the like of elements by the segments that they are of: inputs (elements, segments, how many there are).
SEGMENTS = frozenset(f"UnsortedSegment{kind}" for kind in ["Sum", "Prod", "Min", "Max"])
# What a division of whole numbers gives; by zero, an error.
DIVISIONS = frozenset({"Div", "FloorDiv", "FloorMod", "Mod", "TruncateDiv", "TruncateMod"})
# Draw from a hidden state in the kernel; the first input is the shape.
RANDOM = frozenset({"RandomUniform", "RandomStandardNormal", "TruncatedNormal"})
# All that draw from one. No checkpoint keeps it, and no seed reaches it once XLA compiles the op.
HIDDEN_STATE = RANDOM | frozenset(
    {
        "Multinomial",
        "ParameterizedTruncatedNormal",
        "RandomGamma",
        "RandomPoissonV2",
        "RandomShuffle",
        "RandomUniformInt",
    }
)
# Draw by a key and a counter: inputs (shape, key, counter, algorithm).
STATELESS_RANDOM = frozenset({"StatelessRandomUniformV2", "StatelessRandomNormalV2", "StatelessTruncatedNormalV2"})


def is_update(op: tf.Operation) -> bool:
    """Whether an operation on a variable's handle writes the variable."""
    return op.type.startswith(UPDATE_PREFIXES)


def runs_by_rows(op: tf.Operation) -> bool:
    """Whether an operation on a variable's handle can be done by the holders of its rows."""
    if op.type in NOT_BY_ROWS:
        return False
    if op.type == "ResourceGather":
        return op.get_attr("batch_dims") == 0
    return op.type in (READ, "VariableShape", "VarIsInitializedOp") or is_update(op)


def looks_up(op: tf.Operation) -> bool:
    """Whether an operation on a variable's handle takes rows by their numbers, or reads it so that others may."""
    if op.type == READ:
        return any(is_lookup(user, op.outputs[0]) for user in op.outputs[0].consumers())
    return op.type == "ResourceGather"


def is_lookup(op: tf.Operation, tensor: tf.Tensor) -> bool:
    """Whether an operation takes rows of a dense tensor, [rows, …], by their numbers."""
    if op.type != "GatherV2" or op.inputs[0] is not tensor or op.get_attr("batch_dims") != 0:
        return False
    axis = tf.get_static_value(op.inputs[2])
    return axis is not None and int(axis) == 0


def calls(op: tf.Operation) -> list[str]:
    """Names of the functions that an operation calls: the bodies of a loop, the sides of a branch."""
    return [name for names in functions(op).values() for name in names]


def functions(op: tf.Operation) -> dict[str, list[str]]:
    """The same by the attributes that name them."""
    values = {attr.name: op.get_attr(attr.name) for attr in op.op_def.attr if attr.type in ("func", "list(func)")}
    listed = {key: value if isinstance(value, list) else [value] for key, value in values.items()}
    return {key: [function.name for function in value] for key, value in listed.items()}
