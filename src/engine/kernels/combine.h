// From the spans' sums over the keys to what the queries multiply with; see forward.h for the
// formulas. Included inside a tier's target region.
#pragma once

namespace canal {

template <class Format>
class Combine {
 public:
  using S = typename Format::Simd;
  static constexpr int64_t lanes = Format::lanes;

  Combine(const LayerSizes& sizes, const std::vector<SpanSums<Format>>& spans, int64_t tokens,
          float stabiliser, KeySums<Format>& to)
      : s_(sizes),
        spans_(spans),
        tokens_(static_cast<float>(tokens)),
        to_(to),
        width_(SpanSums<Format>::width(sizes)),
        values_(width_) {
    for (const auto& span : spans) factors_.push_back(std::exp2(span.reference - stabiliser));
  }

  void head(int64_t h) {
    mean_of_values(h);
    for (int64_t m = 0; m < s_.features; ++m) {
      const float sum = sum_of_keys(h * s_.features + m);
      to_.sums[h * s_.features + m] = sum;
      context_row(h, m, sum);
    }
    put_columns(h);
  }

 private:
  void mean_of_values(int64_t h) {
    for (int64_t e = 0; e < width_; ++e) {
      values_[e] = 0;
      for (const auto& span : spans_) values_[e] += span.values[h * width_ + e];
      to_.mean[h * width_ + e] = values_[e] / tokens_;
    }
  }

  float sum_of_keys(int64_t row) const {
    float sum = feature_floor * tokens_;
    for (size_t i = 0; i < spans_.size(); ++i)
      sum += factors_[i] * S::sum(S::load(spans_[i].sums.data() + row * lanes));
    return sum;
  }

  void context_row(int64_t h, int64_t m, float sum) {
    const int64_t row = (h * s_.features + m) * width_;
    for (int64_t e = 0; e < width_; e += lanes) {
      auto total = S::broadcast(feature_floor) * S::load(values_.data() + e);
      for (size_t i = 0; i < spans_.size(); ++i)
        total =
            S::fma(S::broadcast(factors_[i]), S::load(spans_[i].context.data() + row + e), total);
      const auto mean = S::load(to_.mean.data() + h * width_ + e);
      S::store(to_.context.data() + row + e, total - S::broadcast(sum) * mean);
    }
  }

  void put_columns(int64_t h) {
    const float* context = to_.context.data() + h * s_.features * width_;
    const Columns<typename Format::Item> columns{
        to_.columns.data() + h * KeySums<Format>::column_items(s_), width_};
    for (int64_t m = 0; m < s_.features; m += 2)
      for (int64_t e = 0; e < width_; e += lanes) {
        const bool last = m + 1 == s_.features;
        Format::put(columns, m, e, S::load(context + m * width_ + e),
                    last ? S::broadcast(0.0f) : S::load(context + (m + 1) * width_ + e));
      }
    Format::prepare_transposed(columns, s_.head_width, s_.features,
                               to_.rows.data() + h * KeySums<Format>::row_items(s_));
  }

  const LayerSizes& s_;
  const std::vector<SpanSums<Format>>& spans_;
  float tokens_;
  KeySums<Format>& to_;
  int64_t width_;
  Buffer<float> values_;  // sum of the head's values
  std::vector<float> factors_;
};

}  // namespace canal
