// The forward pass of one layer, block of tokens by block of tokens (METHODS section 2). Included
// inside a tier's target region.
//
// The features of queries and keys (N x M per head) are never in memory as a whole: a block's are
// made, summed up and forgotten. Blocks are channels x tokens, a token per lane, so that norms,
// maxima, denominators and biases need nothing across lanes.
//
// Keys. With a2 = log2(e) (c P k), h2 = log2(e) c^2 |k|^2 / 2 and a reference r, the sums
//   S_m = sum_n 2^(a2 - h2 - r),  C_me = sum_n 2^(a2 - h2 - r) v_ne,  V_e = sum_n v_ne
// are taken. r is the largest a2 of the first block; if a later one exceeds it by far, the sums so
// far are scaled down to a new r. In the end the stabiliser t (the true maximum) is known:
//   sums = 2^(r - t) S + floor N,  context = 2^(r - t) C + floor V.
//
// Queries. out = vbar + phi_q (context - sums vbar^T) / (phi_q . sums) with vbar the mean of v: the
// same as phi_q context / (phi_q . sums), but without the part that numerator and denominator
// share, which would drown the rest where numbers are rounded.
#pragma once

namespace canal {

inline constexpr float feature_floor = 1e-4f;
// By how many powers of 2 a projection may exceed the reference before the sums are scaled down.
inline constexpr float reference_slack = 40.0f;
inline constexpr float nothing_yet = -1e30f;

// What a span of tokens adds up over the keys of a layer.
template <class Format>
struct SpanSums {
  Buffer<float> context;  // H x M x E, rows of padded width
  Buffer<float> sums;     // H x M x lanes: partial sums of a token per lane
  Buffer<float> values;   // H x E, padded
  float reference, largest;

  explicit SpanSums(const LayerSizes& s)
      : context(s.heads * s.features * width(s)),
        sums(s.heads * s.features * Format::lanes),
        values(s.heads * width(s)) {
    clear();
  }
  // Of a head's rows: whole vectors, and whole steps where E is a product's depth.
  static int64_t width(const LayerSizes& s) {
    return round_up(s.head_width, std::max(Format::lanes, Format::depth_multiple));
  }
  void clear() {
    context.clear();
    sums.clear();
    values.clear();
    reference = largest = nothing_yet;
  }
};

// A layer's sums over all keys of a cell, ready for the queries.
template <class Format>
struct KeySums {
  using Item = typename Format::Item;
  Buffer<float> context;  // H x M x E, rows of padded width: context - sums vbar^T
  Buffer<float> sums;     // H x M
  Buffer<float> mean;     // H x E, padded: vbar
  Buffer<Item> columns;   // H: the context as columns, M x E
  Buffer<Item> rows;      // H: what transposed() needs for its rows
  float stabiliser = 0;

  explicit KeySums(const LayerSizes& s)
      : context(s.heads * s.features * SpanSums<Format>::width(s)),
        sums(s.heads * s.features),
        mean(s.heads * SpanSums<Format>::width(s)),
        columns(s.heads * column_items(s)),
        rows(s.heads * row_items(s)) {}
  static int64_t column_items(const LayerSizes& s) {
    return (depth_items<Format>(s.features) + 1) * SpanSums<Format>::width(s);
  }
  static int64_t row_items(const LayerSizes& s) {
    return Format::transposed_items(s.head_width, s.features);
  }
};

// A thread's room for one block.
template <class Format>
struct ForwardScratch {
  using Item = typename Format::Item;
  static constexpr int64_t block = Format::block;
  Buffer<Item> normed;          // D x block
  Buffer<Item> normed_rows;     // what transposed() needs
  Buffer<Item> head;            // E x block: queries or keys of a head
  Buffer<Item> values;          // block x E
  Buffer<float> projected;      // M x block
  Buffer<Item> key_features;    // M x block, rows along the tokens
  Buffer<Item> query_features;  // M x block, columns
  Buffer<Item> attended;        // heads x block
  Buffer<Item> hidden;          // F x block
  alignas(vector_alignment) float half_norm[block];
  alignas(vector_alignment) float denominator[block];

  explicit ForwardScratch(const LayerSizes& s)
      : normed(columns(s.dim)),
        normed_rows(Format::transposed_items(block, s.dim)),
        head(columns(s.head_width)),
        values(depth_items<Format>(block) * SpanSums<Format>::width(s)),
        projected(round_up(s.features, Format::tile_rows) * block),
        key_features(round_up(s.features, Format::tile_rows) * Format::along_items(block)),
        query_features(columns(s.features)),
        attended(columns(s.heads * head_stride<Format>(s))),
        hidden(columns(s.ff_width)) {}
  // Items of columns of a depth, and a row that put() may write beyond an odd one.
  static int64_t columns(int64_t depth) { return (depth_items<Format>(depth) + 1) * block; }
};

template <class Format>
class LayerForward {
 public:
  using S = typename Format::Simd;
  using Vec = typename Format::Vec;
  using Item = typename Format::Item;
  static constexpr int64_t block = Format::block, lanes = Format::lanes;

  LayerForward(const PackedLayer<Format>& layer, const LayerSizes& sizes,
               ForwardScratch<Format>& scratch)
      : w_(layer), s_(sizes), scratch_(scratch), width_(SpanSums<Format>::width(sizes)) {}

  // Adds a block's keys to the span's sums. x: D x block, of which `tokens` mean something.
  void keys(const float* x, int64_t tokens, SpanSums<Format>& span) {
    const typename Format::Session session;
    set_tokens(tokens);
    put_normed(x, w_.norm1_weight, w_.norm1_bias);
    mask_normed();
    Item* room = scratch_.normed_rows.data();
    Format::prepare_transposed(normed(), active_, s_.dim, room);
    const Rows<Item> token_rows = Format::transposed(normed(), s_.dim, room);
    for (int64_t h = 0; h < s_.heads; ++h) {
      project_head(w_.k[h], [](const Tile&) {});
      values(token_rows, h, span);
      features();
      adjust_reference(largest_projection(), span);
      key_features(h, span);
      add_context(h, span);
    }
  }

  // x: D x block; `middle` is given x + attention, `out` the layer's output. All may be one.
  void queries(const float* x, int64_t tokens, const KeySums<Format>& keys, float* middle,
               float* out) {
    const typename Format::Session session;
    set_tokens(tokens);
    put_normed(x, w_.norm1_weight, w_.norm1_bias);
    for (int64_t h = 0; h < s_.heads; ++h) {
      project_head(w_.q[h], [](const Tile&) {});
      features();
      query_features(keys.sums.data() + h * s_.features);
      attend(h, keys);
    }
    add_product(w_.out.rows(), {scratch_.attended.data(), block},
                s_.heads * head_stride<Format>(s_), w_.out_bias, x, middle);
    put_normed(middle, w_.norm2_weight, w_.norm2_bias);
    hidden();
    add_product(w_.w2.rows(), {scratch_.hidden.data(), block}, s_.ff_width, w_.b2, middle, out);
  }

  // ---- Steps that the backward pass takes again ----

  int64_t active() const { return active_; }

  Columns<Item> normed() { return {scratch_.normed.data(), block}; }

  // A head's queries or keys (E x block) into scratch.head, log2(e) c^2 |.|^2 / 2 into half_norm.
  // keep(tile) is given them as they come.
  template <class Take>
  void project_head(const PackedRows<Format>& weight, const Take& keep) {
    Vec squares[block / lanes];
    for (Vec& v : squares) v = S::broadcast(0.0f);
    const Columns<Item> head{scratch_.head.data(), block};
    multiply<Format>(weight.rows(), s_.head_width, normed(), active_, s_.dim,
                     [&](const Tile& tile) {
                       for (int64_t v = 0; v < tile.vectors; ++v) {
                         Vec& sum = squares[tile.column / lanes + v];
                         for (int64_t r = 0; r < tile.rows; ++r) {
                           const Vec a = S::load(tile.at(r, v, lanes));
                           sum = S::fma(a, a, sum);
                         }
                       }
                       put_tile<Format>(tile, head, tile.row);
                       keep(tile);
                     });
    const double c = head_scale(s_);
    const Vec factor = S::broadcast(static_cast<float>(0.5 * c * c * log2_e));
    for (int64_t i = 0; i < active_ / lanes; ++i)
      S::store(scratch_.half_norm + i * lanes, squares[i] * factor);
  }

  // P c x of the head in scratch, into scratch.projected. Tokens that mean nothing get a value
  // that no maximum is.
  void features() {
    float* projected = scratch_.projected.data();
    multiply<Format>(w_.projection.rows(), s_.features, {scratch_.head.data(), block}, active_,
                     s_.head_width, Store{projected, block});
    if (tokens_ == active_) return;
    for (int64_t m = 0; m < s_.features; ++m)
      std::fill(projected + m * block + tokens_, projected + m * block + active_, nothing_yet);
  }

  // Largest projection of every token, per lane. Returned for vector i of the block.
  Vec largest_of_tokens(int64_t i) const {
    const float* projected = scratch_.projected.data() + i * lanes;
    Vec a = S::broadcast(nothing_yet), b = a;
    int64_t m = 0;
    for (; m + 1 < s_.features; m += 2) {
      a = S::max(a, S::load(projected + m * block));
      b = S::max(b, S::load(projected + (m + 1) * block));
    }
    if (m < s_.features) a = S::max(a, S::load(projected + m * block));
    return S::max(a, b);
  }

  float largest_projection() const {
    Vec largest = S::broadcast(nothing_yet);
    for (int64_t i = 0; i < active_ / lanes; ++i) largest = S::max(largest, largest_of_tokens(i));
    return S::largest(largest);
  }

  void set_tokens(int64_t tokens) {
    tokens_ = tokens;
    active_ = round_up(tokens, Format::token_multiple);
  }

  void mask_tokens(Item* columns, int64_t items) const {
    if (tokens_ == active_) return;
    for (int64_t k = 0; k < items; ++k)
      std::fill(columns + k * block + tokens_, columns + k * block + active_, Item(0));
  }

  // The context of a head as rows, E x M.
  Rows<Item> context_rows(const KeySums<Format>& keys, int64_t h) const {
    Item* columns = const_cast<Item*>(keys.columns.data()) + h * KeySums<Format>::column_items(s_);
    return Format::transposed({columns, width_}, s_.features,
                              keys.rows.data() + h * KeySums<Format>::row_items(s_));
  }

  void mask_normed() { mask_tokens(scratch_.normed.data(), depth_items<Format>(s_.dim)); }

 private:
  void put_normed(const float* x, const std::vector<float>& weight,
                  const std::vector<float>& bias) {
    const Columns<Item> to = normed();
    normalise<Format>(x, s_.dim, weight, bias, active_,
                      [&](int64_t d, int64_t t, Vec a, Vec b) { Format::put(to, d, t, a, b); });
  }

  // A head's values, block x E, and their sums: as they were rounded, so that what numerator and
  // denominator share cancels to the last bit.
  void values(const Rows<Item>& token_rows, int64_t h, SpanSums<Format>& span) {
    float* sums = span.values.data() + h * width_;
    const Columns<Item> to{scratch_.values.data(), width_};
    multiply<Format>(token_rows, active_, w_.v[h].columns(), s_.head_width, s_.dim,
                     [&](const Tile& tile) {
                       for (int64_t v = 0; v < tile.vectors; ++v) {
                         float* sum = sums + tile.column + v * lanes;
                         Vec total = S::load(sum);
                         for (int64_t r = 0; r < tile.rows; ++r)
                           total = total + Format::rounded(S::load(tile.at(r, v, lanes)));
                         S::store(sum, total);
                       }
                       put_tile<Format>(tile, to, tile.row);
                     });
  }

  void adjust_reference(float largest, SpanSums<Format>& span) const {
    span.largest = std::max(span.largest, largest);
    if (largest <= span.reference + reference_slack) return;
    const float factor = std::exp2(span.reference - largest);
    for (int64_t i = 0; i < span.context.size(); ++i) span.context[i] *= factor;
    for (int64_t i = 0; i < span.sums.size(); ++i) span.sums[i] *= factor;
    span.reference = largest;
  }

  // 2^(a2 - h2 - r) of the block's keys, and their sums.
  void key_features(int64_t h, SpanSums<Format>& span) {
    const Vec reference = S::broadcast(span.reference);
    Vec shift[block / lanes];
    for (int64_t i = 0; i < active_ / lanes; ++i)
      shift[i] = S::load(scratch_.half_norm + i * lanes) + reference;
    for (int64_t m = 0; m < s_.features; ++m) {
      const float* from = scratch_.projected.data() + m * block;
      Item* to = scratch_.key_features.data() + m * Format::along_items(block);
      float* sums = span.sums.data() + (h * s_.features + m) * lanes;
      Vec sum = S::load(sums);
      for (int64_t i = 0; i < active_ / lanes; ++i)
        sum = sum + Format::put_along(to + Format::along_items(i * lanes),
                                      exp2_of<Format>(S::load(from + i * lanes) - shift[i]));
      S::store(sums, sum);
    }
  }

  void add_context(int64_t h, SpanSums<Format>& span) {
    float* context = span.context.data() + h * s_.features * width_;
    const Rows<Item> features =
        Format::along(scratch_.key_features.data(), Format::along_items(block));
    multiply<Format>(features, s_.features, {scratch_.values.data(), width_}, s_.head_width,
                     active_, [&](const Tile& tile) { add_tile<Format>(tile, context, width_); });
  }

  // phi_q of the block as columns, and phi_q . sums per token.
  void query_features(const float* sums) {
    const Columns<Item> to{scratch_.query_features.data(), block};
    for (int64_t i = 0; i < active_ / lanes; ++i) {
      const Vec shift = largest_of_tokens(i) + S::load(scratch_.half_norm + i * lanes);
      const float* from = scratch_.projected.data() + i * lanes;
      const Vec floor = S::broadcast(feature_floor);
      Vec total = S::broadcast(0.0f), total2 = total;
      int64_t m = 0;
      for (; m + 1 < s_.features; m += 2) {
        const Vec a = exp2_of<Format>(S::load(from + m * block) - shift) + floor;
        const Vec b = exp2_of<Format>(S::load(from + (m + 1) * block) - shift) + floor;
        total = S::fma(a, S::broadcast(sums[m]), total);
        total2 = S::fma(b, S::broadcast(sums[m + 1]), total2);
        Format::put(to, m, i * lanes, a, b);
      }
      if (m < s_.features) {
        const Vec a = exp2_of<Format>(S::load(from + m * block) - shift) + floor;
        total = S::fma(a, S::broadcast(sums[m]), total);
        Format::put(to, m, i * lanes, a, S::broadcast(0.0f));
      }
      S::store(scratch_.denominator + i * lanes, S::broadcast(1.0f) / (total + total2));
    }
  }

  // A head's share of the attention, E x block, into its place among `attended`.
  void attend(int64_t h, const KeySums<Format>& keys) {
    const Columns<Item> to{scratch_.attended.data(), block};
    const float* mean = keys.mean.data() + h * width_;
    multiply<Format>(context_rows(keys, h), s_.head_width, {scratch_.query_features.data(), block},
                     active_, s_.features, [&](const Tile& tile) {
                       divide_tile(tile, mean + tile.row);
                       put_tile<Format>(tile, to, h * head_stride<Format>(s_) + tile.row);
                     });
  }

  void divide_tile(const Tile& tile, const float* mean) const {
    for (int64_t r = 0; r < tile.rows; ++r)
      for (int64_t v = 0; v < tile.vectors; ++v) {
        float* at = tile.at(r, v, lanes);
        const Vec inverse = S::load(scratch_.denominator + tile.column + v * lanes);
        S::store(at, S::fma(S::load(at), inverse, S::broadcast(mean[r])));
      }
  }

  // to = x + (A B + bias). D x block.
  void add_product(const Rows<Item>& a, const Columns<Item>& b, int64_t depth,
                   const std::vector<float>& bias, const float* x, float* to) const {
    multiply<Format>(a, s_.dim, b, active_, depth, [&](const Tile& tile) {
      for (int64_t r = 0; r < tile.rows; ++r)
        for (int64_t v = 0; v < tile.vectors; ++v) {
          const int64_t place = (tile.row + r) * block + tile.column + v * lanes;
          const Vec sum = S::load(tile.at(r, v, lanes)) + S::broadcast(bias[tile.row + r]);
          S::store(to + place, S::load(x + place) + sum);
        }
    });
  }

  void hidden() {
    const Columns<Item> to{scratch_.hidden.data(), block};
    multiply<Format>(w_.w1.rows(), s_.ff_width, normed(), active_, s_.dim, [&](const Tile& tile) {
      for (int64_t r = 0; r < tile.rows; ++r)
        for (int64_t v = 0; v < tile.vectors; ++v) {
          float* at = tile.at(r, v, lanes);
          S::store(at, gelu_of<Format>(S::load(at) + S::broadcast(w_.b1[tile.row + r])));
        }
      put_tile<Format>(tile, to, tile.row);
    });
  }

  const PackedLayer<Format>& w_;
  const LayerSizes& s_;
  ForwardScratch<Format>& scratch_;
  int64_t width_;       // E, padded
  int64_t tokens_ = 0;  // of this block that mean something
  int64_t active_ = 0;  // tokens_ filled up to what a product takes
};

}  // namespace canal
