#include "engine/io/pickle_table.h"

#include <algorithm>
#include <unordered_map>

namespace canal::io {

// Extensions (EXT*) stand for globals that only the writer knows, buffers for bytes outside the
// file.
const std::vector<PickleOpcode>& pickle_opcodes() {
  static const std::vector<PickleOpcode> opcodes{
      {0x28, "MARK", true},         {0x29, "EMPTY_TUPLE", true},
      {0x2e, "STOP", true},         {0x30, "POP", true},
      {0x31, "POP_MARK", true},     {0x32, "DUP", true},
      {0x42, "BINBYTES", true},     {0x43, "SHORT_BINBYTES", true},
      {0x46, "FLOAT", true},        {0x47, "BINFLOAT", true},
      {0x49, "INT", true},          {0x4a, "BININT", true},
      {0x4b, "BININT1", true},      {0x4c, "LONG", true},
      {0x4d, "BININT2", true},      {0x4e, "NONE", true},
      {0x50, "PERSID", true},       {0x51, "BINPERSID", true},
      {0x52, "REDUCE", true},       {0x53, "STRING", true},
      {0x54, "BINSTRING", true},    {0x55, "SHORT_BINSTRING", true},
      {0x56, "UNICODE", true},      {0x58, "BINUNICODE", true},
      {0x5d, "EMPTY_LIST", true},   {0x61, "APPEND", true},
      {0x62, "BUILD", true},        {0x63, "GLOBAL", true},
      {0x64, "DICT", true},         {0x65, "APPENDS", true},
      {0x67, "GET", true},          {0x68, "BINGET", true},
      {0x69, "INST", true},         {0x6a, "LONG_BINGET", true},
      {0x6c, "LIST", true},         {0x6f, "OBJ", true},
      {0x70, "PUT", true},          {0x71, "BINPUT", true},
      {0x72, "LONG_BINPUT", true},  {0x73, "SETITEM", true},
      {0x74, "TUPLE", true},        {0x75, "SETITEMS", true},
      {0x7d, "EMPTY_DICT", true},   {0x80, "PROTO", true},
      {0x81, "NEWOBJ", true},       {0x82, "EXT1", false},
      {0x83, "EXT2", false},        {0x84, "EXT4", false},
      {0x85, "TUPLE1", true},       {0x86, "TUPLE2", true},
      {0x87, "TUPLE3", true},       {0x88, "NEWTRUE", true},
      {0x89, "NEWFALSE", true},     {0x8a, "LONG1", true},
      {0x8b, "LONG4", true},        {0x8c, "SHORT_BINUNICODE", true},
      {0x8d, "BINUNICODE8", true},  {0x8e, "BINBYTES8", true},
      {0x8f, "EMPTY_SET", true},    {0x90, "ADDITEMS", true},
      {0x91, "FROZENSET", true},    {0x92, "NEWOBJ_EX", true},
      {0x93, "STACK_GLOBAL", true}, {0x94, "MEMOIZE", true},
      {0x95, "FRAME", true},        {0x96, "BYTEARRAY8", true},
      {0x97, "NEXT_BUFFER", false}, {0x98, "READONLY_BUFFER", false}};
  return opcodes;
}

const PickleOpcode* pickle_opcode(uint8_t code) {
  static const std::array<const PickleOpcode*, 256> by_code = [] {
    std::array<const PickleOpcode*, 256> places{};
    for (const PickleOpcode& opcode : pickle_opcodes()) places[opcode.code] = &opcode;
    return places;
  }();
  return by_code[code];
}

// A name only: it is passed to others of these, and says nothing that they do not.
const std::vector<PickleGlobal>& pickle_globals() {  // NOLINT(readability-function-size): a table
  static const std::vector<PickleGlobal> globals{
      {"torch._utils._rebuild_tensor", "a tensor", false},
      {"torch._utils._rebuild_tensor_v2", "a tensor", false},
      {"torch._utils._rebuild_parameter", "the tensor in it", false},
      {"torch._utils._rebuild_parameter_with_state", "the tensor in it", false},
      {"torch._tensor._rebuild_from_type_v2", "the tensor in it", false},
      {"torch.Tensor", "a name only", false},
      {"torch._tensor.Tensor", "a name only", false},
      {"torch.nn.parameter.Parameter", "a name only", false},
      {"torch.Size", "a tuple", false},
      {"torch.FloatStorage", "the type of a storage", false},
      {"torch.DoubleStorage", "the type of a storage", false},
      {"torch.HalfStorage", "the type of a storage", false},
      {"torch.BFloat16Storage", "the type of a storage", false},
      {"torch.LongStorage", "the type of a storage", false},
      {"torch.IntStorage", "the type of a storage", false},
      {"torch.ShortStorage", "the type of a storage", false},
      {"torch.CharStorage", "the type of a storage", false},
      {"torch.ByteStorage", "the type of a storage", false},
      {"torch.BoolStorage", "the type of a storage", false},
      {"torch.cuda.FloatStorage", "the type of a storage", false},
      {"torch.cuda.DoubleStorage", "the type of a storage", false},
      {"torch.cuda.HalfStorage", "the type of a storage", false},
      {"torch.cuda.BFloat16Storage", "the type of a storage", false},
      {"torch.cuda.LongStorage", "the type of a storage", false},
      {"torch.cuda.IntStorage", "the type of a storage", false},
      {"torch.cuda.ShortStorage", "the type of a storage", false},
      {"torch.cuda.CharStorage", "the type of a storage", false},
      {"torch.cuda.ByteStorage", "the type of a storage", false},
      {"torch.cuda.BoolStorage", "the type of a storage", false},
      {"torch.ComplexFloatStorage", "the type of a storage (only its bytes are passed over)",
       false},
      {"torch.ComplexDoubleStorage", "the type of a storage (only its bytes are passed over)",
       false},
      {"torch.storage.UntypedStorage", "the type of a storage (only its bytes are passed over)",
       false},
      {"collections.OrderedDict", "a dict", false},
      {"collections.defaultdict", "a dict", false},
      {"builtins.dict", "a dict", false},
      {"__builtin__.dict", "a dict", false},
      {"builtins.set", "a name only", false},
      {"__builtin__.set", "a name only", false},
      {"_codecs.encode", "bytes", false},
      {"builtins.bytes", "bytes", false},
      {"__builtin__.bytes", "bytes", false},
      {"builtins.bytearray", "bytes", false},
      {"__builtin__.bytearray", "bytes", false},
      {"numpy.core.multiarray._reconstruct", "an array", false},
      {"numpy._core.multiarray._reconstruct", "an array", false},
      {"numpy.core.numeric._frombuffer", "an array", false},
      {"numpy._core.numeric._frombuffer", "an array", false},
      {"numpy.core.multiarray.scalar", "a number or text", false},
      {"numpy._core.multiarray.scalar", "a number or text", false},
      {"numpy.dtype", "the type of an array", false},
      {"numpy.ndarray", "a name only", false},
      {"anndata._core.anndata.AnnData", "an AnnData", true},
      {"anndata.core.anndata.AnnData", "an AnnData", true},
      {"anndata.base.AnnData", "an AnnData", true},
      {"pandas.core.frame.DataFrame", "a table", true},
      {"anndata._core.views.DataFrameView", "a table", true},
      {"anndata.core.views.DataFrameView", "a table", true},
      {"anndata.base.DataFrameView", "a table", true},
      {"pandas.core.internals.managers.BlockManager", "the columns of a table", true},
      {"pandas.core.internals.BlockManager", "the columns of a table", true},
      {"pandas._libs.internals._unpickle_block", "a block of columns", true},
      {"pandas.core.indexes.base._new_Index", "names", true},
      {"pandas.core.indexes.base.Index", "a name only", true},
      {"pandas.core.indexes.range.RangeIndex", "a name only", true},
      {"pandas.core.indexes.numeric.Int64Index", "a name only", true},
      {"pandas.core.indexes.numeric.UInt64Index", "a name only", true},
      {"pandas.core.indexes.numeric.Float64Index", "a name only", true},
      {"pandas._libs.arrays.__pyx_unpickle_NDArrayBacked", "a column of categories", true},
      {"pandas.core.arrays.categorical.Categorical", "a column of categories", true},
      {"pandas.core.dtypes.dtypes.CategoricalDtype", "categories", true},
      {"builtins.slice", "a range", true},
      {"__builtin__.slice", "a range", true},
      {"scipy.sparse.csr.csr_matrix", "a sparse matrix", true},
      {"scipy.sparse._csr.csr_matrix", "a sparse matrix", true},
      {"scipy.sparse._csr.csr_array", "a sparse matrix", true},
      {"scipy.sparse.csc.csc_matrix", "a sparse matrix", true},
      {"scipy.sparse._csc.csc_matrix", "a sparse matrix", true},
      {"scipy.sparse._csc.csc_array", "a sparse matrix", true},
      {"anndata._core.access.ElementRef", "left out", true},
      {"anndata._core.aligned_mapping.AxisArrays", "left out", true},
      {"anndata._core.aligned_mapping.AxisArraysView", "left out", true},
      {"anndata._core.aligned_mapping.Layers", "left out", true},
      {"anndata._core.aligned_mapping.LayersView", "left out", true},
      {"anndata._core.aligned_mapping.PairwiseArrays", "left out", true},
      {"anndata._core.aligned_mapping.PairwiseArraysView", "left out", true},
      {"anndata._core.file_backing.AnnDataFileManager", "left out", true},
      {"anndata._core.views.ArrayView", "left out", true},
      {"anndata._core.raw.Raw", "left out", true},
      {"anndata.compat._overloaded_dict.OverloadedDict", "left out", true},
      {"anndata._core.views.DictView", "left out", true}};
  return globals;
}

const PickleGlobal* pickle_global(std::string_view name) {
  static const std::unordered_map<std::string_view, const PickleGlobal*> by_name = [] {
    std::unordered_map<std::string_view, const PickleGlobal*> places;
    for (const PickleGlobal& global : pickle_globals()) places.emplace(global.name, &global);
    return places;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

}  // namespace canal::io
