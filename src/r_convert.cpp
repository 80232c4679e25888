#include "r_convert.h"

#include <cstring>
#include <limits>

#include "engine/errors.h"
#include "r_glue.h"

namespace glue {

namespace {

constexpr const char* float32_class = "canal_float32";
constexpr const char* attributes_name = "h5_attributes";

[[noreturn]] void refuse(const std::string& place, const std::string& reason) {
  throw canal::Error(canal::ErrorKind::input,
                     "'" + place + "' cannot be converted: " + reason + ".");
}

// Calls take(row-major place) for every element in R's order, first dimension fastest.
template <class Take>
void in_column_major(const std::vector<int64_t>& shape, Take&& take) {
  const int64_t count = canal::element_count(shape);
  if (count == 0) return;  // beside an extent of 0 others may be of any size
  std::vector<int64_t> stride(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;) stride[d - 1] = stride[d] * shape[d];
  std::vector<int64_t> index(shape.size(), 0);
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    take(at);
    for (size_t d = 0; d < shape.size(); ++d) {
      at += stride[d];
      if (++index[d] < shape[d]) break;
      at -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
}

template <class Vector>
void set_dim(Vector& x, const std::vector<int64_t>& shape) {
  if (shape.size() < 2) return;
  Rcpp::IntegerVector dim(shape.size());
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] > std::numeric_limits<int>::max()) refuse("dim", "an extent is over 2^31 - 1");
    dim[static_cast<R_xlen_t>(d)] = static_cast<int>(shape[d]);
  }
  x.attr("dim") = dim;
}

// Row-major values as an R vector with `dim`.
template <class Vector, class Value>
Vector array_of(const std::vector<Value>& values, const std::vector<int64_t>& shape) {
  auto x = new_vector<Vector>(static_cast<R_xlen_t>(values.size()));
  R_xlen_t i = 0;
  in_column_major(shape, [&](int64_t at) {
    x[i++] = static_cast<typename Vector::stored_type>(values[static_cast<size_t>(at)]);
  });
  set_dim(x, shape);
  return x;
}

Rcpp::CharacterVector text_array(const std::vector<std::string>& text,
                                 const std::vector<int64_t>& shape) {
  auto x = new_vector<Rcpp::CharacterVector>(static_cast<R_xlen_t>(text.size()));
  std::vector<const std::string*> ordered;
  ordered.reserve(text.size());
  in_column_major(shape, [&](int64_t at) { ordered.push_back(&text[static_cast<size_t>(at)]); });
  // R has to have memory for every text, too. Nothing here may throw through R, nor be left undone
  // by R's jump.
  Rcpp::unwindProtect([&] {
    R_xlen_t i = 0;
    for (const std::string* one : ordered) {
      SEXP copy = Rf_mkCharLenCE(one->data(), static_cast<int>(one->size()), CE_UTF8);
      SET_STRING_ELT(x, i++, copy);
    }
    return R_NilValue;
  });
  set_dim(x, shape);
  return x;
}

// R's integer has no place for -2^31, which is its NA; a file's int64 often is just a count.
SEXP integer_array(const std::vector<int64_t>& values, const std::vector<int64_t>& shape) {
  constexpr int64_t most = std::numeric_limits<int>::max();
  for (const int64_t value : values) {
    if (value > most || value < -most) return array_of<Rcpp::NumericVector>(values, shape);
  }
  return array_of<Rcpp::IntegerVector>(values, shape);
}

Rcpp::List named_list(const std::vector<std::pair<std::string, canal::Tree>>& trees,
                      Float32Form form) {
  Rcpp::List list(static_cast<R_xlen_t>(trees.size()));
  std::vector<std::string> names;
  for (size_t i = 0; i < trees.size(); ++i) {
    list[static_cast<R_xlen_t>(i)] = tree_to_r(trees[i].second, form);
    names.push_back(trees[i].first);
  }
  list.names() = text_to_r(names);
  return list;
}

SEXP values_to_r(const canal::Tree& tree, Float32Form form) {
  using Kind = canal::Tree::Kind;
  switch (tree.kind) {
    case Kind::group: return named_list(tree.children, form);
    case Kind::float32:
      if (form == Float32Form::raw) return float32_to_r({tree.shape, tree.float32});
      return array_of<Rcpp::NumericVector>(tree.float32, tree.shape);
    case Kind::float64: return array_of<Rcpp::NumericVector>(tree.float64, tree.shape);
    case Kind::int32: return array_of<Rcpp::IntegerVector>(tree.int32, tree.shape);
    case Kind::int64: return integer_array(tree.int64, tree.shape);
    case Kind::uint8:
      if (tree.boolean) return array_of<Rcpp::LogicalVector>(tree.uint8, tree.shape);
      return array_of<Rcpp::RawVector>(tree.uint8, tree.shape);
    case Kind::text: break;
  }
  return text_array(tree.text, tree.shape);
}

void set_missing(SEXP x, const std::vector<uint8_t>& missing) {
  for (size_t i = 0; i < missing.size(); ++i) {
    if (missing[i] == 0) continue;
    switch (TYPEOF(x)) {
      case LGLSXP: LOGICAL(x)[i] = NA_LOGICAL; break;
      case INTSXP: INTEGER(x)[i] = NA_INTEGER; break;
      case REALSXP: REAL(x)[i] = NA_REAL; break;
      case STRSXP: SET_STRING_ELT(x, static_cast<R_xlen_t>(i), NA_STRING); break;
      default: refuse("missing", "values of a kind that R has no NA of are missing");
    }
  }
}

std::vector<int64_t> shape_from_r(SEXP x) {
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  if (Rf_isNull(dim)) return {static_cast<int64_t>(Rf_xlength(x))};
  const Rcpp::IntegerVector extents(dim);
  return std::vector<int64_t>(extents.begin(), extents.end());
}

template <class Value, class Vector>
std::vector<Value> row_major(const Vector& x, const std::vector<int64_t>& shape) {
  std::vector<Value> values(static_cast<size_t>(x.size()));
  R_xlen_t i = 0;
  in_column_major(
      shape, [&](int64_t at) { values[static_cast<size_t>(at)] = static_cast<Value>(x[i++]); });
  return values;
}

// Numbers of any of R's two kinds as float32; R's integer NA has a number of its own there.
canal::FloatArray numbers_from_r(SEXP x) {
  const Rcpp::NumericVector numbers(x);
  const std::vector<int64_t> shape = shape_from_r(x);
  return {shape, row_major<float>(numbers, shape)};
}

std::string text_at(const Rcpp::CharacterVector& x, R_xlen_t i) {
  SEXP one = STRING_ELT(x, i);
  if (one == NA_STRING) refuse("text " + std::to_string(i + 1), "it is missing (NA)");
  return Rf_translateCharUTF8(one);
}

using NamedTrees = std::vector<std::pair<std::string, canal::Tree>>;
canal::Tree tree_below(SEXP x, const std::string& place);

NamedTrees named_trees(SEXP x, const std::string& place) {
  const Rcpp::List list(x);
  NamedTrees trees;
  if (list.size() == 0) return trees;
  SEXP names = Rf_getAttrib(x, R_NamesSymbol);
  if (Rf_isNull(names)) refuse(place, "a list must have names");
  for (R_xlen_t i = 0; i < list.size(); ++i) {
    const std::string name = text_at(names, i);
    trees.emplace_back(name, tree_below(list[i], place + "/" + name));
  }
  return trees;
}

void fill_values(SEXP x, const std::string& place, canal::Tree& tree) {
  using Kind = canal::Tree::Kind;
  tree.shape = shape_from_r(x);
  switch (TYPEOF(x)) {
    case REALSXP:
      tree.kind = Kind::float64;
      tree.float64 = row_major<double>(Rcpp::NumericVector(x), tree.shape);
      return;
    case INTSXP:
      if (Rf_isFactor(x)) refuse(place, "it is a factor; character is expected");
      tree.kind = Kind::int32;
      tree.int32 = row_major<int32_t>(Rcpp::IntegerVector(x), tree.shape);
      return;
    case RAWSXP:
      tree.kind = Kind::uint8;
      tree.uint8 = row_major<uint8_t>(Rcpp::RawVector(x), tree.shape);
      return;
    default: break;
  }
  refuse(place, std::string("a value of type ") + Rf_type2char(TYPEOF(x)) +
                    "; a list, character, double, integer or raw is expected");
}

void fill_text(SEXP x, canal::Tree& tree) {
  const Rcpp::CharacterVector text(x);
  tree.kind = canal::Tree::Kind::text;
  tree.shape = shape_from_r(x);
  tree.text.resize(static_cast<size_t>(text.size()));
  R_xlen_t i = 0;
  in_column_major(tree.shape,
                  [&](int64_t at) { tree.text[static_cast<size_t>(at)] = text_at(text, i++); });
}

canal::Tree tree_below(SEXP x, const std::string& place) {
  canal::Tree tree;
  if (Rf_inherits(x, float32_class)) {
    canal::FloatArray array = float32_from_r(x);
    tree.kind = canal::Tree::Kind::float32;
    tree.shape = std::move(array.shape);
    tree.float32 = std::move(array.values);
  } else if (TYPEOF(x) == VECSXP) {
    tree.children = named_trees(x, place);
  } else if (TYPEOF(x) == STRSXP) {
    fill_text(x, tree);
  } else {
    fill_values(x, place, tree);
  }
  SEXP attributes = Rf_getAttrib(x, Rf_install(attributes_name));
  if (!Rf_isNull(attributes)) tree.attributes = named_trees(attributes, place);
  return tree;
}

// The bytes of the four-byte words at `data`, swapped where the machine is not little-endian.
void order_bytes(uint8_t* data, size_t count) {
  const uint16_t probe = 1;
  uint8_t first;
  std::memcpy(&first, &probe, 1);
  if (first == 1) return;
  for (size_t i = 0; i < count; ++i) {
    std::swap(data[4 * i], data[4 * i + 3]);
    std::swap(data[4 * i + 1], data[4 * i + 2]);
  }
}

canal::FloatArray float32_from_bytes(SEXP x) {
  SEXP given = Rf_getAttrib(x, Rf_install("shape"));
  if (TYPEOF(x) != RAWSXP || !Rf_isNumeric(given)) {
    refuse(float32_class, "a raw vector with an integer attribute `shape` is expected");
  }
  const Rcpp::NumericVector extents(given);
  canal::FloatArray array;
  for (const double extent : extents) {
    if (!(extent >= 0 && extent < 9e15)) refuse(float32_class, "its shape is negative or missing");
    array.shape.push_back(static_cast<int64_t>(extent));
  }
  const auto count = static_cast<size_t>(canal::element_count(array.shape));
  const auto bytes = static_cast<size_t>(Rf_xlength(x));
  if (bytes % sizeof(float) != 0 || bytes / sizeof(float) != count) {
    refuse(float32_class, "its shape asks for " + std::to_string(count) + " numbers and it has " +
                              std::to_string(bytes) + " bytes");
  }
  array.values.resize(count);
  if (count > 0) std::memcpy(array.values.data(), RAW(x), bytes);
  order_bytes(reinterpret_cast<uint8_t*>(array.values.data()), count);
  return array;
}

}  // namespace

Rcpp::RawVector float32_to_r(const canal::FloatArray& array) {
  const size_t bytes = array.values.size() * sizeof(float);
  auto x = new_vector<Rcpp::RawVector>(static_cast<R_xlen_t>(bytes));
  if (bytes > 0) std::memcpy(RAW(x), array.values.data(), bytes);
  order_bytes(RAW(x), array.values.size());
  Rcpp::IntegerVector shape(array.shape.size());
  for (size_t d = 0; d < array.shape.size(); ++d) {
    shape[static_cast<R_xlen_t>(d)] = static_cast<int>(array.shape[d]);
  }
  x.attr("shape") = shape;
  x.attr("class") = float32_class;
  return x;
}

canal::FloatArray float32_from_r(SEXP x) {
  if (Rf_inherits(x, float32_class)) return float32_from_bytes(x);
  const bool numbers = TYPEOF(x) == REALSXP || (TYPEOF(x) == INTSXP && !Rf_isFactor(x));
  if (!numbers) {
    refuse("array", std::string("numbers are expected; got ") + Rf_type2char(TYPEOF(x)));
  }
  return numbers_from_r(x);
}

Rcpp::List weights_to_r(const canal::Weights& weights) {
  Rcpp::List list(static_cast<R_xlen_t>(weights.size()));
  std::vector<std::string> names;
  for (size_t i = 0; i < weights.size(); ++i) {
    list[static_cast<R_xlen_t>(i)] = float32_to_r(weights[i].second);
    names.push_back(weights[i].first);
  }
  list.names() = text_to_r(names);
  return list;
}

namespace {

// visit(name, weight) for every weight of a named list.
template <class Visit>
void for_each_weight(Rcpp::List weights, const Visit& visit) {
  if (weights.size() == 0) return;
  SEXP given = Rf_getAttrib(weights, R_NamesSymbol);
  if (Rf_isNull(given)) refuse("weights", "a list of weights must have names");
  const std::vector<std::string> names = text_from_r(given);
  for (R_xlen_t i = 0; i < weights.size(); ++i)
    visit(names[static_cast<size_t>(i)], float32_from_r(weights[i]));
}

}  // namespace

canal::Weights weights_from_r(Rcpp::List weights) {
  canal::Weights out;
  for_each_weight(weights, [&](const std::string& name, canal::FloatArray array) {
    out.emplace_back(name, std::move(array));
  });
  return out;
}

canal::Weights weight_shapes_from_r(Rcpp::List weights) {
  canal::Weights out;
  for_each_weight(weights, [&](const std::string& name, canal::FloatArray array) {
    out.emplace_back(name, canal::FloatArray{std::move(array.shape), {}});
  });
  return out;
}

Rcpp::NumericMatrix matrix_to_r(const canal::FloatArray& array) {
  if (array.shape.size() != 2) {
    throw canal::Error(canal::ErrorKind::sizes, "A matrix has two dimensions; got " +
                                                    std::to_string(array.shape.size()) + ".");
  }
  return Rcpp::NumericMatrix(SEXP(array_to_r(array)));
}

Rcpp::NumericVector array_to_r(const canal::FloatArray& array) {
  return array_of<Rcpp::NumericVector>(array.values, array.shape);
}

Rcpp::CharacterVector text_to_r(const std::vector<std::string>& text) {
  return text_array(text, {static_cast<int64_t>(text.size())});
}

std::vector<std::string> text_from_r(Rcpp::CharacterVector text) {
  std::vector<std::string> out;
  for (R_xlen_t i = 0; i < text.size(); ++i) out.push_back(text_at(text, i));
  return out;
}

SEXP integers_to_r(const std::vector<int64_t>& values) {
  return integer_array(values, {static_cast<int64_t>(values.size())});
}

SEXP tree_to_r(const canal::Tree& tree, Float32Form form) {
  Rcpp::RObject x = values_to_r(tree, form);
  set_missing(x, tree.missing);
  if (!tree.attributes.empty()) x.attr(attributes_name) = named_list(tree.attributes, form);
  return x;
}

canal::Tree tree_from_r(SEXP x) { return tree_below(x, ""); }

}  // namespace glue
