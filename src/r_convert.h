// Between R's objects and the engine's plain arrays. R is column-major and the engine row-major, so
// every conversion of a matrix or array really moves the numbers.
#pragma once
#include <Rcpp.h>

#include "engine/array.h"
#include "engine/tree.h"

namespace glue {

// A "canal_float32": a raw vector of little-endian float32 in row-major order with the attribute
// `shape`. It keeps weights in R at half the size of a double, and bit for bit.
Rcpp::RawVector float32_to_r(const canal::FloatArray& array);

// From a "canal_float32", or from a numeric or integer vector, matrix or array.
canal::FloatArray float32_from_r(SEXP x);

// A named list of "canal_float32" and back.
Rcpp::List weights_to_r(const canal::Weights& weights);
canal::Weights weights_from_r(Rcpp::List weights);

// The same without the values, for whoever needs the shapes of a large network alone.
canal::Weights weight_shapes_from_r(Rcpp::List weights);

// A 2-d array as a numeric matrix of the same rows and columns.
Rcpp::NumericMatrix matrix_to_r(const canal::FloatArray& array);

// An array as a numeric one with the same `dim`; without `dim` if it has fewer than two dimensions.
Rcpp::NumericVector array_to_r(const canal::FloatArray& array);

// Text, marked as UTF-8, and back; a missing text is an error.
Rcpp::CharacterVector text_to_r(const std::vector<std::string>& text);
std::vector<std::string> text_from_r(Rcpp::CharacterVector text);

// As R's integer; as numeric where one does not fit.
SEXP integers_to_r(const std::vector<int64_t>& values);

// How float32 arrays of a file come to R.
enum class Float32Form { numeric, raw };

// A group becomes a named list, float an R numeric, int32 and int64 an integer (numeric where a
// value does not fit), uint8 a raw, booleans a logical, text a character; arrays of two and more
// dimensions get `dim`. HDF5 attributes become the R attribute `h5_attributes`, a named list.
SEXP tree_to_r(const canal::Tree& tree, Float32Form form);

// The way back: named list, double (float64), integer (int32), raw (uint8), "canal_float32"
// (float32), character; `h5_attributes` are kept. Logical and NULL have no form and are refused.
canal::Tree tree_from_r(SEXP x);

}  // namespace glue
