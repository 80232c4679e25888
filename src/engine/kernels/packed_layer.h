// A layer's parameters as a tier's products read them. Included inside a tier's target region.
#pragma once

namespace canal {

// Rows of a head among those of all heads; even where products take pairs.
template <class Format>
int64_t head_stride(const LayerSizes& s) {
  return round_up(s.head_width, Format::group);
}

// What the forward pass multiplies with. Exponentials are computed as powers of 2, so log2(e) is
// folded into the projection, and so is c = E^(-1/4).
template <class Format>
struct PackedLayer {
  std::vector<float> norm1_weight, norm1_bias, norm2_weight, norm2_bias, out_bias, b1, b2;
  std::vector<PackedRows<Format>> q, k;  // per head, E x D
  std::vector<PackedColumns<Format>> v;  // per head, D x E
  PackedRows<Format> projection;         // M x E
  PackedRows<Format> out;                // D x heads, each of head_stride()
  PackedRows<Format> w1, w2;             // F x D, D x F

  PackedLayer(const LayerView& w, const LayerSizes& s);
};

// A matrix whose columns belong to heads, side by side, as one whose heads lie head_stride() apart.
template <class Format>
struct ByHeads {
  Matrix of;
  LayerSizes sizes;
  float operator()(int64_t row, int64_t column) const {
    const int64_t head = column / head_stride<Format>(sizes);
    const int64_t e = column % head_stride<Format>(sizes);
    return e < sizes.head_width ? of(row, head * sizes.head_width + e) : 0.0f;
  }
};

template <class Format>
PackedLayer<Format>::PackedLayer(const LayerView& w, const LayerSizes& s)
    : norm1_weight(copy_of(w.norm1_weight, s.dim)),
      norm1_bias(copy_of(w.norm1_bias, s.dim)),
      norm2_weight(copy_of(w.norm2_weight, s.dim)),
      norm2_bias(copy_of(w.norm2_bias, s.dim)),
      out_bias(copy_of(w.to_out_bias, s.dim)),
      b1(copy_of(w.b1, s.ff_width)),
      b2(copy_of(w.b2, s.dim)),
      projection(s.features, s.head_width,
                 matrix(w.projection, s.head_width, static_cast<float>(head_scale(s) * log2_e))),
      out(s.dim, s.heads * head_stride<Format>(s),
          ByHeads<Format>{matrix(w.to_out, s.heads * s.head_width), s}),
      w1(s.ff_width, s.dim, matrix(w.w1, s.dim)),
      w2(s.dim, s.ff_width, matrix(w.w2, s.ff_width)) {
  for (int64_t h = 0; h < s.heads; ++h) {
    const int64_t first = h * s.head_width * s.dim;
    q.emplace_back(s.head_width, s.dim, matrix(w.to_q + first, s.dim));
    k.emplace_back(s.head_width, s.dim, matrix(w.to_k + first, s.dim));
    v.emplace_back(s.dim, s.head_width, transpose(w.to_v + first, s.dim));
  }
}

}  // namespace canal
