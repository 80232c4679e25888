// What the frozen layers make of a cell never changes within a stage, so it is kept: in memory up
// to a budget, beyond it in a file without a name, which is gone with the process however that
// ends.
#pragma once
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/kernels/buffer.h"
#include "engine/trainer.h"

namespace canal {

class FrozenCache {
 public:
  // values: float32 numbers of a cell. reduced: kept in bfloat16, half the size.
  FrozenCache(const CacheOptions& options, int64_t values, bool reduced);
  ~FrozenCache();

  bool enabled() const { return options_.enabled; }

  // Fills `to` with what was kept for a cell of these tokens; false where nothing was.
  bool get(const uint8_t* tokens, int64_t length, float* to) const;
  void put(const uint8_t* tokens, int64_t length, const float* values);
  // Forgets everything: the frozen layers have changed.
  void clear();
  // Why the file takes no more cells, which are computed anew then; "" where nothing is wrong.
  std::string problem() const;

 private:
  struct Slot {
    Buffer<uint8_t> memory;
    int64_t offset = -1;  // in the file, where memory is empty
  };
  void encode(const float* from, uint8_t* to) const;
  void decode(const uint8_t* from, float* to) const;
  bool write(const Buffer<uint8_t>& bytes, int64_t offset);
  int64_t next_offset();
  void give_up(const std::string& doing);

  CacheOptions options_;
  int64_t values_, bytes_;
  bool reduced_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Slot> slots_;  // by the cell's tokens
  int64_t used_ = 0;                             // bytes of memory
  int file_ = -1;
  int64_t file_size_ = 0;
  std::string problem_;
};

}  // namespace canal
