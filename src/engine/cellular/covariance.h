// How genes vary together.
#pragma once
#include <vector>

#include "engine/control.h"
#include "engine/prepare.h"

namespace canal {

// The covariance of the genes over the cells (divided by their number): genes x genes, by columns,
// the lower triangle alone; no dense matrix of cells. The same on any number of threads.
std::vector<double> gene_covariance(const SparseCells& values, int num_threads,
                                    const Control& control);

}  // namespace canal
