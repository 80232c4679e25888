// Dispersions as scanpy's `cell_ranger` flavour (Zheng et al. 2017, doi:10.1038/ncomms14049)
// compares them.
#pragma once
#include <vector>

namespace canal {
namespace data {

// (d - median) / MAD within bins of means that hold a twentieth of the genes each, the lowest a
// tenth; the MAD is scaled to be a normal distribution's standard deviation. NaN where both are 0.
std::vector<double> above_median_of_bin(const std::vector<double>& mean,
                                        const std::vector<double>& dispersion);

}  // namespace data
}  // namespace canal
