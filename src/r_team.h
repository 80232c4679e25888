// A team in R is an external pointer to one; a trainer shares it.
#pragma once
#include <Rcpp.h>

#include <memory>

#include "engine/team.h"

namespace glue {

// From the external pointer inside a `canal_team`. One that was saved and read again is dead.
std::shared_ptr<canal::Team> team_from_r(SEXP pointer);

}  // namespace glue
