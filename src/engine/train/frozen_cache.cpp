#include "engine/train/frozen_cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "engine/kernels/bfloat16.h"

namespace canal {

namespace {

// A file that has already lost its name, and that no program started meanwhile inherits; -1 where
// there can be none.
int nameless_file(const std::string& folder) {
  std::string name = folder + "/canalR-cache-XXXXXX";
  const int file = mkstemp(&name[0]);
  if (file < 0) return -1;
  fcntl(file, F_SETFD, FD_CLOEXEC);
  unlink(name.c_str());
  return file;
}

std::string key_of(const uint8_t* tokens, int64_t length) {
  return std::string(reinterpret_cast<const char*>(tokens), length);
}

}  // namespace

FrozenCache::FrozenCache(const CacheOptions& options, int64_t values, bool reduced)
    : options_(options),
      values_(values),
      bytes_(values * (reduced ? sizeof(uint16_t) : sizeof(float))),
      reduced_(reduced) {}

FrozenCache::~FrozenCache() {
  if (file_ >= 0) close(file_);
}

void FrozenCache::encode(const float* from, uint8_t* to) const {
  if (!reduced_) {
    std::memcpy(to, from, bytes_);
    return;
  }
  uint16_t* numbers = reinterpret_cast<uint16_t*>(to);
  for (int64_t i = 0; i < values_; ++i) numbers[i] = to_bfloat16(from[i]);
}

void FrozenCache::decode(const uint8_t* from, float* to) const {
  if (!reduced_) {
    std::memcpy(to, from, bytes_);
    return;
  }
  const uint16_t* numbers = reinterpret_cast<const uint16_t*>(from);
  for (int64_t i = 0; i < values_; ++i) to[i] = from_bfloat16(numbers[i]);
}

bool FrozenCache::get(const uint8_t* tokens, int64_t length, float* to) const {
  const Slot* slot;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = slots_.find(key_of(tokens, length));
    if (found == slots_.end()) return false;
    slot = &found->second;  // elements of the map do not move
  }
  if (slot->offset < 0) {
    decode(slot->memory.data(), to);
    return true;
  }
  Buffer<uint8_t> bytes(bytes_);
  for (int64_t done = 0; done < bytes_;) {
    const ssize_t got = pread(file_, bytes.data() + done, bytes_ - done, slot->offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;  // it is computed anew
    done += got;
  }
  decode(bytes.data(), to);
  return true;
}

void FrozenCache::put(const uint8_t* tokens, int64_t length, const float* values) {
  if (!options_.enabled) return;
  Buffer<uint8_t> bytes(bytes_);
  encode(values, bytes.data());
  std::string key = key_of(tokens, length);
  int64_t offset = -1;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (slots_.count(key)) return;
    if (used_ + bytes_ <= options_.memory) {
      used_ += bytes_;
      Slot& slot = slots_[std::move(key)];
      slot.memory = std::move(bytes);
      return;
    }
    offset = next_offset();
  }
  if (offset < 0 || !write(bytes, offset)) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  slots_[std::move(key)].offset = offset;
}

bool FrozenCache::write(const Buffer<uint8_t>& bytes, int64_t offset) {
  for (int64_t done = 0; done < bytes_;) {
    const ssize_t written = pwrite(file_, bytes.data() + done, bytes_ - done, offset + done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      give_up("written");
      return false;
    }
    done += written;
  }
  return true;
}

// The place for the next cell, or -1.
int64_t FrozenCache::next_offset() {
  if (!problem_.empty()) return -1;
  if (file_ < 0) file_ = nameless_file(options_.folder);
  if (file_ < 0) {
    give_up("made");
    return -1;
  }
  const int64_t offset = file_size_;
  file_size_ += bytes_;
  return offset;
}

void FrozenCache::give_up(const std::string& doing) {
  problem_ =
      "a file in " + options_.folder + " could not be " + doing + ": " + std::strerror(errno);
}

std::string FrozenCache::problem() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return problem_;
}

void FrozenCache::clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  slots_.clear();
  used_ = file_size_ = 0;
  if (file_ >= 0 && ftruncate(file_, 0) != 0) give_up("emptied");
}

}  // namespace canal
