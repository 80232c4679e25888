#include "engine/cellular.h"
#include "engine/cellular/covariance.h"
#include "engine/cellular/leading_axes.h"

namespace canal {

std::vector<double> principal_axes(const SparseCells& values, int64_t count, int num_threads,
                                   const Control& control) {
  return leading_axes(gene_covariance(values, num_threads, control), values.genes, count, control);
}

}  // namespace canal
