// Facts about the machine and the libraries the engine runs on.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace canal {

struct RuntimeInfo {
  std::string libtorch;  // "1.13.1"
  std::string hdf5;      // "1.10.8"
  std::string blas;      // "openblas-openmp", "openblas-pthread", "mkl", "unknown", ...
  int cores;             // this process may use
  bool cuda;             // LibTorch has CUDA and sees a device
};

RuntimeInfo runtime_info();

// How fast LibTorch's BLAS is.
struct BlasReport {
  std::string kind;     // as RuntimeInfo::blas
  std::string library;  // file of the matrix product, "" where it cannot be told
  double gflops;  // GFLOP/s of a product on one thread; 0 where a fast kind needs no measuring
  bool slow;
};

// Measures at most once, some milliseconds long.
const BlasReport& blas_report();

// Files of the LibTorch libraries (libtorch_cpu) that this process has loaded. More than the one
// the engine was linked with means that another program brought its own: R's torch package, say.
std::vector<std::string> loaded_libtorch();

// Bytes of memory that are free, or can be freed at once, on this machine.
int64_t free_memory();

// Gives memory that was freed back to the system, where the C library holds on to it (glibc): to be
// called after a large passing need, such as a model read from a file. Changes no setting.
void return_freed_memory();

// Threads to use when the caller named none (0: OMP_NUM_THREADS, or all cores) or n: never more
// than the cores, and one in a forked child, where OpenMP's pool of the parent is gone and would be
// waited for.
int usable_threads(int requested);

}  // namespace canal
