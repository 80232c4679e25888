// What all training has in common, between R's lists and the engine.
#pragma once
#include <Rcpp.h>

#include "engine/descent.h"

namespace glue {

// Fills the part of a trainer's options that every trainer has; and with it what those of the
// Performer network have beside it.
void steps_from_r(Rcpp::List list, canal::DescentOptions& options);
void descent_from_r(Rcpp::List list, canal::DescentOptions& options);

// A named list: plain numbers, raw vectors and lists of "canal_float32".
Rcpp::List state_to_r(const canal::TrainingState& state);
canal::TrainingState state_from_r(Rcpp::List list);

}  // namespace glue
