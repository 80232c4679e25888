// What the way back through a layer needs beside the layer: what was kept, transposed weights, sums
// and room. Included inside a tier's target region; backward.h has the formulas.
#pragma once

namespace canal {

// What a pass keeps of a layer for the way back.
template <class Format>
struct SavedLayer {
  Residual<Format> before, middle;  // the layer's input, and it with the attention
  KeySums<Format> keys;
  bool own_stabiliser = false;  // it came from this cell's keys
  SavedLayer(int64_t tokens, const LayerSizes& s)
      : before(tokens, s.dim), middle(tokens, s.dim), keys(s) {}
};

// The transposes that gradients go through.
template <class Format>
struct PackedBackward {
  PackedRows<Format> q, k, v;              // D x heads, each of head_stride()
  std::vector<PackedRows<Format>> out;     // per head, E x D
  std::vector<PackedRows<Format>> values;  // per head, E x D: W_v itself
  PackedRows<Format> w1, w2;               // D x F, F x D
  PackedRows<Format> projection;           // E x M, times c

  PackedBackward(const LayerView& w, const LayerSizes& s)
      : q(through_heads(w.to_q, s)),
        k(through_heads(w.to_k, s)),
        v(through_heads(w.to_v, s)),
        w1(s.dim, s.ff_width, transpose(w.w1, s.dim)),
        w2(s.ff_width, s.dim, transpose(w.w2, s.ff_width)),
        projection(s.head_width, s.features,
                   transpose(w.projection, s.head_width, static_cast<float>(head_scale(s)))) {
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t inner = s.heads * s.head_width, first = h * s.head_width;
      out.emplace_back(s.head_width, s.dim, transpose(w.to_out + first, inner));
      values.emplace_back(s.head_width, s.dim, matrix(w.to_v + first * s.dim, s.dim));
    }
  }

 private:
  static PackedRows<Format> through_heads(const float* weight, const LayerSizes& s) {
    return PackedRows<Format>(s.dim, s.heads * head_stride<Format>(s),
                              ByHeads<Format>{transpose(weight, s.dim), s});
  }
};

// Gradients of a layer's parameters as they are summed up: matrices as rows x D of padded width,
// sums over tokens as a partial sum per lane.
template <class Format>
struct GradientSums {
  static constexpr int64_t lanes = Format::lanes;
  Buffer<float> q, k, v, out;  // H*E x D; `out` transposed
  Buffer<float> w1, w2;        // F x D; `w2` transposed
  Buffer<float> out_bias, b1, b2, norm1_weight, norm1_bias, norm2_weight, norm2_bias;  // x lanes

  explicit GradientSums(const LayerSizes& s)
      : q(inner(s)),
        k(inner(s)),
        v(inner(s)),
        out(inner(s)),
        w1(s.ff_width * width(s)),
        w2(s.ff_width * width(s)),
        out_bias(s.dim * lanes),
        b1(s.ff_width * lanes),
        b2(s.dim * lanes),
        norm1_weight(s.dim * lanes),
        norm1_bias(s.dim * lanes),
        norm2_weight(s.dim * lanes),
        norm2_bias(s.dim * lanes) {}
  static int64_t width(const LayerSizes& s) { return round_up(s.dim, lanes); }
  static int64_t inner(const LayerSizes& s) { return s.heads * s.head_width * width(s); }

  void add_to(const LayerGradients& g, const LayerSizes& s) const {
    const int64_t rows = s.heads * s.head_width;
    add_matrix(q, rows, s, g.to_q, s.dim, 1);
    add_matrix(k, rows, s, g.to_k, s.dim, 1);
    add_matrix(v, rows, s, g.to_v, s.dim, 1);
    add_matrix(out, rows, s, g.to_out, 1, rows);
    add_matrix(w1, s.ff_width, s, g.w1, s.dim, 1);
    add_matrix(w2, s.ff_width, s, g.w2, 1, s.ff_width);
    add_vector(out_bias, s.dim, g.to_out_bias);
    add_vector(b1, s.ff_width, g.b1);
    add_vector(b2, s.dim, g.b2);
    add_vector(norm1_weight, s.dim, g.norm1_weight);
    add_vector(norm1_bias, s.dim, g.norm1_bias);
    add_vector(norm2_weight, s.dim, g.norm2_weight);
    add_vector(norm2_bias, s.dim, g.norm2_bias);
  }
  void clear() {
    for (Buffer<float>* b : {&q, &k, &v, &out, &w1, &w2, &out_bias, &b1, &b2, &norm1_weight,
                             &norm1_bias, &norm2_weight, &norm2_bias})
      b->clear();
  }

 private:
  static void add_matrix(const Buffer<float>& from, int64_t rows, const LayerSizes& s, float* to,
                         int64_t row_stride, int64_t column_stride) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < s.dim; ++c)
        to[r * row_stride + c * column_stride] += from[r * width(s) + c];
  }
  static void add_vector(const Buffer<float>& from, int64_t count, float* to) {
    using S = typename Format::Simd;
    for (int64_t i = 0; i < count; ++i) to[i] += S::sum(S::load(from.data() + i * lanes));
  }
};

// A thread's room for the way back through one block.
template <class Format>
struct BackwardScratch {
  using Item = typename Format::Item;
  static constexpr int64_t block = Format::block;
  Buffer<float> slope;                           // F x block: gelu'
  Buffer<Item> hidden_along, dhidden_along;      // F x block, rows along the tokens
  Buffer<Item> dhidden;                          // F x block, columns
  Buffer<Item> dout;                             // D x block, columns: gradient coming in
  Buffer<Item> dout_tokens;                      // block x D, columns
  Buffer<Item> normed_tokens;                    // block x D, columns
  Buffer<float> normed, dnormed;                 // D x block
  Buffer<float> head, dhead, deviation;          // E x block: q or k; gradient; out - vbar
  Buffer<Item> head_along, dattended;            // E x block: rows along the tokens; columns
  Buffer<Item> dattended_tokens;                 // block x E, columns
  Buffer<Item> features_along;                   // M x block
  Buffer<Item> dprojected;                       // M x block, columns
  Buffer<Item> values;                           // E x block, columns: v'
  Buffer<Item> dheads, dvalues;                  // heads x block, columns
  Buffer<float> dcontext;                        // H x M x E, padded
  Buffer<float> dsums;                           // H x M x lanes, then H x M
  Buffer<Item> context_along;                    // H x M x E, rows along E
  Buffer<Item> dcontext_columns;                 // M x E, columns
  Buffer<Item> dcontext_rows;                    // what transposed() needs
  alignas(vector_alignment) float total[block];  // G of the tokens
  alignas(vector_alignment) float dden[block];
  alignas(vector_alignment) float source[block];  // the feature of each token's maximum

  explicit BackwardScratch(const LayerSizes& s)
      : slope(s.ff_width * block),
        hidden_along(along(s.ff_width)),
        dhidden_along(along(s.ff_width)),
        dhidden(columns(s.ff_width)),
        dout(columns(s.dim)),
        dout_tokens(tokens(s.dim)),
        normed_tokens(tokens(s.dim)),
        normed((s.dim + 1) * block),
        dnormed(s.dim * block),
        head(s.head_width * block),
        dhead(s.head_width * block),
        deviation(s.head_width * block),
        head_along(along(s.head_width)),
        dattended(columns(s.head_width)),
        dattended_tokens(tokens(s.head_width)),
        features_along(along(s.features)),
        dprojected(columns(s.features)),
        values(columns(s.head_width)),
        dheads(columns(s.heads * head_stride<Format>(s))),
        dvalues(columns(s.heads * head_stride<Format>(s))),
        dcontext(s.heads * s.features * SpanSums<Format>::width(s)),
        dsums(s.heads * s.features * Format::lanes),
        context_along(s.heads * context_items(s)),
        dcontext_columns(KeySums<Format>::column_items(s)),
        dcontext_rows(KeySums<Format>::row_items(s)) {}
  static int64_t columns(int64_t depth) { return (depth_items<Format>(depth) + 1) * block; }
  static int64_t along(int64_t rows) {
    return round_up(rows, Format::tile_rows) * Format::along_items(block);
  }
  static int64_t tokens(int64_t width) {
    return depth_items<Format>(block) * round_up(width, Format::lanes);
  }
  static int64_t context_items(const LayerSizes& s) {
    return round_up(s.features, Format::tile_rows) *
           Format::along_items(SpanSums<Format>::width(s));
  }
};

}  // namespace canal
