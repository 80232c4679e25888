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

  // rows: N x D.
  void load(const float* rows) {
    for (int64_t first = 0; first < tokens_; first += block)
      for (int64_t t = 0; t < tokens_of_block(first); ++t)
        for (int64_t d = 0; d < dim_; ++d)
          at(first)[d * block + t] = rows[(first + t) * dim_ + d];
  }
  void store(float* rows) const {
    for (int64_t first = 0; first < tokens_; first += block)
      for (int64_t t = 0; t < tokens_of_block(first); ++t)
        for (int64_t d = 0; d < dim_; ++d)
          rows[(first + t) * dim_ + d] = at(first)[d * block + t];
  }

 private:
  int64_t tokens_, dim_;
  Buffer<float> data_;
};

}  // namespace canal
