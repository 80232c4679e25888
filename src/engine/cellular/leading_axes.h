// The eigenvectors of a covariance that matter most.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/control.h"

namespace canal {

// The eigenvectors of the largest eigenvalues, the largest first: n x count, by columns; signs are
// as they come. covariance: symmetric, n x n, by columns; its lower triangle is read. Computed on
// one thread, so that the result is that of any number of them. Throws where a value is not finite.
std::vector<double> leading_axes(std::vector<double> covariance, int64_t n, int64_t count,
                                 const Control& control);

}  // namespace canal
