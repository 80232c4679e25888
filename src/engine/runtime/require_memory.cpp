#include <sys/mman.h>

#include <new>

#include "engine/runtime.h"

namespace canal {

// Addresses are asked for, and no page of them is touched.
void require_memory(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  munmap(memory, bytes);
}

}  // namespace canal
