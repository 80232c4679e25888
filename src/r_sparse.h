// A dgCMatrix of genes x cells as the engine sees it.
#pragma once
#include <Rcpp.h>

#include "engine/prepare.h"

namespace glue {

// Keeps the matrix's slots protected for as long as the engine looks at them.
class SparseMatrix {
 public:
  explicit SparseMatrix(const Rcpp::S4& matrix)
      : gene_(matrix.slot("i")),
        starts_(matrix.slot("p")),
        value_(matrix.slot("x")),
        dim_(matrix.slot("Dim")) {}
  canal::SparseCells view() const {
    return {dim_[1], dim_[0], starts_.begin(), gene_.begin(), value_.begin()};
  }

 private:
  Rcpp::IntegerVector gene_;
  Rcpp::IntegerVector starts_;
  Rcpp::NumericVector value_;
  Rcpp::IntegerVector dim_;
};

}  // namespace glue
