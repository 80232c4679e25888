// A cell's tokens as the kernels hold them. Included inside a tier's target region.
#pragma once

namespace canal {

// A cell's residual: blocks of D x block.
template <class Format>
class Residual {
 public:
  static constexpr int64_t block = Format::block;
  Residual(int64_t tokens, int64_t dim)
      : tokens_(tokens), dim_(dim), data_(round_up(tokens, block) * dim) {}

  float* at(int64_t first_token) { return data_.data() + first_token * dim_; }
  const float* at(int64_t first_token) const { return data_.data() + first_token * dim_; }
  int64_t tokens_of_block(int64_t first_token) const {
    return std::min(block, tokens_ - first_token);
  }

  // Tokens `first` to `first + count` - 1. rows: count x D.
  void load(const float* rows, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      float* to = at((first + i) / block * block) + (first + i) % block;
      for (int64_t d = 0; d < dim_; ++d) to[d * block] = rows[i * dim_ + d];
    }
  }
  void store(float* rows, int64_t first, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      const float* from = at((first + i) / block * block) + (first + i) % block;
      for (int64_t d = 0; d < dim_; ++d) rows[i * dim_ + d] = from[d * block];
    }
  }

 private:
  int64_t tokens_, dim_;
  Buffer<float> data_;
};

}  // namespace canal
