// R's token matrices as the engine sees them.
#pragma once
#include <Rcpp.h>

#include "engine/array.h"

namespace glue {

// A raw matrix with a cell per column: no copy, valid as long as R's object is.
inline canal::TokenView token_view(const Rcpp::RawMatrix& tokens) {
  return {tokens.begin(), tokens.ncol(), tokens.nrow()};
}

}  // namespace glue
