// Memory for vectors: aligned to cache lines, zero at first.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

namespace canal {

inline constexpr std::size_t vector_alignment = 64;

template <class Number>
class Buffer {  // moved, not copied
 public:
  Buffer() = default;
  explicit Buffer(int64_t count)
      : data_(static_cast<Number*>(::operator new(static_cast<std::size_t>(count) * sizeof(Number),
                                                  std::align_val_t(vector_alignment)))),
        count_(count) {
    clear();
  }
  ~Buffer() { ::operator delete(data_, std::align_val_t(vector_alignment)); }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  Number* data() { return data_; }
  const Number* data() const { return data_; }
  int64_t size() const { return count_; }
  Number& operator[](int64_t i) { return data_[i]; }
  const Number& operator[](int64_t i) const { return data_[i]; }
  void clear() { std::memset(static_cast<void*>(data_), 0, count_ * sizeof(Number)); }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
  }
  Number* data_ = nullptr;
  int64_t count_ = 0;
};

constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace canal
