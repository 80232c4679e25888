// Whether LibTorch's BLAS is too slow to go without a word.
#pragma once
#include <string>

namespace canal {

// gflops: of one thread, 0 where it was not measured. Reference BLAS, compiled from plain Fortran
// loops, reaches about 5 where an optimised one reaches over 100; 15 lies between them on older
// cores and under load too. A kind that is known to be optimised is never slow.
bool is_slow_blas(const std::string& kind, double gflops);

}  // namespace canal
