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

// What other code in this process finds LibTorch, OpenMP and BLAS set to: nothing that canalR does
// may change it. Of the calling thread where it is a thread's own.
struct LibrarySettings {
  int openmp_threads = 0;   // LibTorch's, too; 0 where it does not use OpenMP
  int blas_threads = 0;     // 0 where it cannot be told
  std::string number_type;  // that LibTorch gives tensors of no named type
  bool gradients = false;   // are recorded
  bool deterministic = false;
  bool flushes_denormals = false;
  int rounding = 0;
  uint64_t generator = 0;  // digest of the state of LibTorch's own random numbers
};

LibrarySettings library_settings();

// For as long as this lives, LibTorch and BLAS compute on this thread alone, where they use OpenMP;
// then it is as before. OpenMP's threads would be R's own from then on: processes that R forks wait
// for them for ever, and the process ends where they cannot be started. Asked for threads, LibTorch
// would also set its own default, and other packages would compute on fewer.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// Files of the LibTorch libraries (libtorch_cpu) that this process has loaded. More than the one
// the engine was linked with means that another program brought its own: R's torch package, say.
std::vector<std::string> loaded_libtorch();

// Bytes of memory that are free, or can be freed at once, on this machine.
int64_t free_memory();

// Throws std::bad_alloc where so much could not be had at once: for libraries that end the process,
// or call it something else, where they cannot have it.
void require_memory(size_t bytes);

// The same for so many threads that are about to be started: their stacks, and what the libraries
// keep of each, which the C library ends the process for where a thread cannot have it.
void require_thread_memory(int count);

// Gives memory that was freed back to the system, where the C library holds on to it (glibc): to be
// called after a large passing need, such as a model read from a file. Changes no setting.
void return_freed_memory();

// Threads to use when the caller named none (0: OMP_NUM_THREADS, or all cores) or n: never more
// than the cores, and one in a fork.
int usable_threads(int requested);

}  // namespace canal
