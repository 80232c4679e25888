// The backward pass of one layer. Included inside a tier's target region.
//
// Nothing of the features is kept from the forward pass: a block's are made again. With dout the
// gradient of a head's output, den = phi_q . sums and v' = v - vbar:
//   dnum = dout / den,  dden = -dnum . (out - vbar)
//   dphi_q = context dnum + sums dden          dC = sum_n phi_q dnum^T,  dS = sum_n phi_q dden
//   dphi_k = dC v' + dS                        dv = dC^T phi_k
// and for queries and keys alike, x being either and G_n = sum_m g_nm:
//   g = dphi (phi - floor),  g[where the stabiliser came from] -= its share of the sum of g
//   dx = c P^T g - c^2 G x
// The keys' stabiliser is one for the cell, or the batch; the sum of a cell's g is known before any
// of them:
//   sum_m dC_m . context_m + dS_m (sums_m - floor N)
//
// Two sweeps over the blocks: the feed-forward part and the queries, then keys and values.
#pragma once

namespace canal {

template <class Format>
class LayerBackward {
 public:
  using S = typename Format::Simd;
  using Vec = typename Format::Vec;
  using Item = typename Format::Item;
  static constexpr int64_t block = Format::block, lanes = Format::lanes;

  // sums: null where the layer's parameters are frozen.
  LayerBackward(const PackedLayer<Format>& layer, const PackedBackward<Format>& back,
                const LayerSizes& sizes, const SavedLayer<Format>& saved, int64_t tokens,
                ForwardScratch<Format>& forward, BackwardScratch<Format>& scratch,
                GradientSums<Format>* sums)
      : w_(layer),
        back_(back),
        s_(sizes),
        saved_(saved),
        cell_tokens_(tokens),
        f_(forward),
        b_(scratch),
        sums_(sums),
        forward_(layer, sizes, forward),
        width_(SpanSums<Format>::width(sizes)),
        c_(head_scale(sizes)) {
    b_.dcontext.clear();
    b_.dsums.clear();
    for (int64_t h = 0; h < s_.heads; ++h) put_context_along(saved_.keys.context.data(), h);
  }

  // First sweep. dx: D x block, the gradient of the layer's output; becomes that of its middle.
  // dnormed: D x block, given the queries' part of the gradient of the normed input.
  void feed_forward_and_queries(int64_t first, int64_t tokens, float* dx, float* dnormed) {
    const typename Format::Session session;
    set_block(tokens);
    feed_forward(saved_.middle.at(first), dx);
    put_gradient(dx);
    put_normed(saved_.before.at(first), w_.norm1_weight, w_.norm1_bias);
    if (sums_) add_token_sums(dx, s_.dim, sums_->out_bias);
    for (int64_t h = 0; h < s_.heads; ++h) queries(h);
    store_product(back_.q.rows(), {b_.dheads.data(), block}, dnormed);
  }

  // Between the sweeps: what the queries say of the context. Returns the sum of all the keys' g.
  double settle_context() {
    total_of_keys_ = 0;
    for (int64_t h = 0; h < s_.heads; ++h) {
      for (int64_t m = 0; m < s_.features; ++m) settle_row(h * s_.features + m);
      put_context_along(b_.dcontext.data(), h);
    }
    return total_of_keys_;
  }

  // Second sweep. dx: D x block, the gradient of the middle; becomes that of the layer's input.
  // total: the sum of the g of all keys that share the stabiliser.
  void keys(int64_t first, int64_t tokens, double total, float* dx, float* dnormed) {
    total_of_keys_ = total;
    const typename Format::Session session;
    set_block(tokens);
    put_normed(saved_.before.at(first), w_.norm1_weight, w_.norm1_bias);
    for (int64_t h = 0; h < s_.heads; ++h) keys_of_head(h);
    add_product(back_.k.rows(), {b_.dheads.data(), block}, dnormed);
    add_product(back_.v.rows(), {b_.dvalues.data(), block}, dnormed);
    through_norm(saved_.before.at(first), w_.norm1_weight, dnormed, dx,
                 sums_ ? &sums_->norm1_weight : nullptr, sums_ ? &sums_->norm1_bias : nullptr);
  }

 private:
  void set_block(int64_t tokens) {
    tokens_ = tokens;
    forward_.set_tokens(tokens);
    active_ = forward_.active();
  }

  // ---- Getting operands ready ----

  // x: rows x block, float32, as columns of the tokens' depth: block x rows.
  void put_by_tokens(const float* x, int64_t rows, Buffer<Item>& to) const {
    const int64_t stride = round_up(rows, lanes);
    for (int64_t t = 0; t < active_; t += Format::group)
      for (int64_t r = 0; r < rows; ++r)
        to[t / Format::group * stride + r] =
            Format::pack(x[r * block + t], Format::group > 1 ? x[r * block + t + 1] : 0.0f);
  }

  Columns<Item> by_tokens(const Buffer<Item>& from, int64_t rows) const {
    return {const_cast<Item*>(from.data()), round_up(rows, lanes)};
  }

  void put_columns(const float* x, int64_t rows, Columns<Item> to) const {
    for (int64_t r = 0; r < rows; r += 2)
      for (int64_t t = 0; t < active_; t += lanes)
        Format::put(to, r, t, S::load(x + r * block + t),
                    r + 1 < rows ? S::load(x + (r + 1) * block + t) : S::broadcast(0.0f));
  }

  void put_along(const float* x, int64_t rows, Buffer<Item>& to) const {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t t = 0; t < active_; t += lanes)
        Format::put_along(to.data() + r * Format::along_items(block) + Format::along_items(t),
                          S::load(x + r * block + t));
  }

  Rows<Item> along(const Buffer<Item>& rows) const {
    return Format::along(rows.data(), Format::along_items(block));
  }

  void put_gradient(const float* dx) {
    put_columns(dx, s_.dim, {b_.dout.data(), block});
    if (sums_) put_by_tokens(dx, s_.dim, b_.dout_tokens);
  }

  // The normed block as forward_ reads it, and by tokens.
  void put_normed(const float* x, const std::vector<float>& weight,
                  const std::vector<float>& bias) {
    const Columns<Item> to = forward_.normed();
    normalise<Format>(x, s_.dim, weight, bias, active_, [&](int64_t d, int64_t t, Vec a, Vec b) {
      Format::put(to, d, t, a, b);
      S::store(b_.normed.data() + d * block + t, a);
      S::store(b_.normed.data() + (d + 1) * block + t, b);
    });
    if (sums_) put_by_tokens(b_.normed.data(), s_.dim, b_.normed_tokens);
  }

  // Rows m of a head's context (or its gradient), along E.
  void put_context_along(const float* context, int64_t h) {
    const int64_t stride = Format::along_items(width_);
    Item* to = b_.context_along.data() + h * BackwardScratch<Format>::context_items(s_);
    for (int64_t m = 0; m < s_.features; ++m)
      for (int64_t e = 0; e < width_; e += lanes)
        Format::put_along(to + m * stride + Format::along_items(e),
                          S::load(context + (h * s_.features + m) * width_ + e));
  }
  Rows<Item> context_along(int64_t h) const {
    return Format::along(b_.context_along.data() + h * BackwardScratch<Format>::context_items(s_),
                         Format::along_items(width_));
  }

  // ---- Products ----

  void store_product(const Rows<Item>& a, const Columns<Item>& b, float* to) const {
    multiply<Format>(a, s_.dim, b, active_, s_.heads * head_stride<Format>(s_),
                     [&](const Tile& tile) { store_tile(tile, to); });
  }
  void add_product(const Rows<Item>& a, const Columns<Item>& b, float* to) const {
    multiply<Format>(a, s_.dim, b, active_, s_.heads * head_stride<Format>(s_),
                     [&](const Tile& tile) { add_tile<Format>(tile, to, block); });
  }
  void store_tile(const Tile& tile, float* to) const {
    for (int64_t r = 0; r < tile.rows; ++r)
      for (int64_t v = 0; v < tile.vectors; ++v)
        S::store(to + (tile.row + r) * block + tile.column + v * lanes,
                 S::load(tile.at(r, v, lanes)));
  }

  // sums += a b^T over the tokens; rows of `a` along them, b: block x D.
  void add_weight_gradient(const Buffer<Item>& a, int64_t rows, const Buffer<Item>& b,
                           float* sums) const {
    const int64_t width = GradientSums<Format>::width(s_);
    multiply<Format>(along(a), rows, by_tokens(b, s_.dim), s_.dim, active_,
                     [&](const Tile& tile) { add_tile<Format>(tile, sums, width); });
  }

  // sums += sum over the tokens of every row, a part per lane.
  void add_token_sums(const float* x, int64_t rows, Buffer<float>& sums) const {
    for (int64_t r = 0; r < rows; ++r) {
      Vec sum = S::load(sums.data() + r * lanes);
      for (int64_t t = 0; t < active_; t += lanes) sum = sum + S::load(x + r * block + t);
      S::store(sums.data() + r * lanes, sum);
    }
  }

  // ---- The feed-forward part ----

  // dx += gradient through LN2, W1, gelu, W2.
  void feed_forward(const float* middle, float* dx) {
    put_gradient(dx);
    put_normed(middle, w_.norm2_weight, w_.norm2_bias);
    hidden();
    hidden_gradient();
    if (sums_) {
      add_token_sums(dx, s_.dim, sums_->b2);
      add_weight_gradient(b_.hidden_along, s_.ff_width, b_.dout_tokens, sums_->w2.data());
      add_weight_gradient(b_.dhidden_along, s_.ff_width, b_.normed_tokens, sums_->w1.data());
    }
    multiply<Format>(back_.w1.rows(), s_.dim, {b_.dhidden.data(), block}, active_, s_.ff_width,
                     [&](const Tile& tile) { store_tile(tile, b_.dnormed.data()); });
    through_norm(middle, w_.norm2_weight, b_.dnormed.data(), dx,
                 sums_ ? &sums_->norm2_weight : nullptr, sums_ ? &sums_->norm2_bias : nullptr);
  }

  // gelu(W1 x + b1) along the tokens, and its slope.
  void hidden() {
    multiply<Format>(w_.w1.rows(), s_.ff_width, forward_.normed(), active_, s_.dim,
                     [&](const Tile& tile) {
                       for (int64_t r = 0; r < tile.rows; ++r)
                         for (int64_t v = 0; v < tile.vectors; ++v) hidden_vector(tile, r, v);
                     });
  }
  void hidden_vector(const Tile& tile, int64_t r, int64_t v) {
    const int64_t row = tile.row + r, token = tile.column + v * lanes;
    const Vec u = S::load(tile.at(r, v, lanes)) + S::broadcast(w_.b1[row]);
    Vec bell;
    const Vec cdf = normal_cdf<Format>(u, bell);
    S::store(b_.slope.data() + row * block + token,
             S::fma(u * S::broadcast(inverse_sqrt_2pi), bell, cdf));
    if (sums_) Format::put_along(along_at(b_.hidden_along, row, token), u * cdf);
  }
  Item* along_at(Buffer<Item>& rows, int64_t row, int64_t token) const {
    return rows.data() + row * Format::along_items(block) + Format::along_items(token);
  }

  // d (W1 x + b1), as columns and along the tokens.
  void hidden_gradient() {
    multiply<Format>(back_.w2.rows(), s_.ff_width, {b_.dout.data(), block}, active_, s_.dim,
                     [&](const Tile& tile) {
                       for (int64_t r = 0; r < tile.rows; ++r)
                         for (int64_t v = 0; v < tile.vectors; ++v) {
                           const int64_t row = tile.row + r, token = tile.column + v * lanes;
                           const Vec du = S::load(tile.at(r, v, lanes)) *
                                          S::load(b_.slope.data() + row * block + token);
                           S::store(tile.at(r, v, lanes), du);
                           if (sums_) keep_hidden_gradient(row, token, du);
                         }
                       put_tile<Format>(tile, {b_.dhidden.data(), block}, tile.row);
                     });
  }
  void keep_hidden_gradient(int64_t row, int64_t token, Vec du) {
    Format::put_along(along_at(b_.dhidden_along, row, token), du);
    float* sum = sums_->b1.data() + row * lanes;
    S::store(sum, S::load(sum) + du);
  }

  // dx += gradient through a layer norm of x, dn being that of its output.
  void through_norm(const float* x, const std::vector<float>& weight, const float* dn, float* dx,
                    Buffer<float>* weight_sums, Buffer<float>* bias_sums) const {
    const Vec share = S::broadcast(1.0f / static_cast<float>(s_.dim));
    for (int64_t t = 0; t < active_; t += lanes) {
      const Moments<Format> m = moments<Format>(x + t, s_.dim, block);
      Vec sum = S::broadcast(0.0f), along_x = sum;
      for (int64_t d = 0; d < s_.dim; ++d) {
        const Vec scaled = (S::load(x + d * block + t) - m.mean) * m.inverse_sd;
        const Vec gradient = S::load(dn + d * block + t) * S::broadcast(weight[d]);
        sum = sum + gradient;
        along_x = S::fma(gradient, scaled, along_x);
      }
      const Vec mean = sum * share, slope = along_x * share;
      for (int64_t d = 0; d < s_.dim; ++d) {
        const Vec scaled = (S::load(x + d * block + t) - m.mean) * m.inverse_sd;
        const Vec raw = S::load(dn + d * block + t);
        const Vec gradient = raw * S::broadcast(weight[d]);
        float* at = dx + d * block + t;
        S::store(at, S::fma(gradient - mean - scaled * slope, m.inverse_sd, S::load(at)));
        if (!weight_sums) continue;
        add_lanes(weight_sums->data() + d * lanes, raw * scaled);
        add_lanes(bias_sums->data() + d * lanes, raw);
      }
    }
  }
  static void add_lanes(float* to, Vec a) { S::store(to, S::load(to) + a); }

  // ---- Queries ----

  void queries(int64_t h) {
    project(w_.q[h]);
    forward_.features();
    query_features(saved_.keys.sums.data() + h * s_.features);
    deviation(h);
    attention_gradient(h);
    query_feature_gradient(h);
    head_gradient(h, sums_ ? sums_->q.data() : nullptr);
    add_to_context(h);
  }

  // forward_.project_head(), and the head in float32.
  void project(const PackedRows<Format>& weight) {
    forward_.project_head(weight, [&](const Tile& tile) { store_tile(tile, b_.head.data()); });
  }

  // phi_q as columns and along the tokens, 1 / den; phi_q - floor stays in `projected`. Where each
  // token's maximum came from.
  void query_features(const float* sums) {
    const Columns<Item> to{f_.query_features.data(), block};
    const Vec floor = S::broadcast(feature_floor);
    for (int64_t t = 0; t < active_; t += lanes) {
      float* projected = f_.projected.data() + t;
      const Vec shift = largest_with_source(projected, t) + S::load(f_.half_norm + t);
      Vec total = S::broadcast(0.0f);
      auto feature = [&](int64_t m) {
        if (m == s_.features) return S::broadcast(0.0f);
        const Vec power = exp2_of<Format>(S::load(projected + m * block) - shift);
        S::store(projected + m * block, power);
        const Vec phi = power + floor;
        total = S::fma(phi, S::broadcast(sums[m]), total);
        return Format::put_along(along_at(b_.features_along, m, t), phi);
      };
      for (int64_t m = 0; m < s_.features; m += 2) {
        const Vec a = feature(m);
        Format::put(to, m, t, a, feature(m + 1));
      }
      S::store(f_.denominator + t, S::broadcast(1.0f) / total);
    }
  }
  Vec largest_with_source(const float* projected, int64_t t) {
    Vec largest = S::load(projected), source = S::broadcast(0.0f);
    for (int64_t m = 1; m < s_.features; ++m) {
      const Vec a = S::load(projected + m * block);
      source = S::where_greater(a, largest, S::broadcast(static_cast<float>(m)), source);
      largest = S::max(largest, a);
    }
    S::store(b_.source + t, source);
    return largest;
  }

  // out - vbar, and the gradient of the output projection.
  void deviation(int64_t h) {
    const float* mean = saved_.keys.mean.data() + h * width_;
    multiply<Format>(
        forward_.context_rows(saved_.keys, h), s_.head_width, {f_.query_features.data(), block},
        active_, s_.features, [&](const Tile& tile) {
          for (int64_t r = 0; r < tile.rows; ++r)
            for (int64_t v = 0; v < tile.vectors; ++v) {
              const int64_t row = tile.row + r, token = tile.column + v * lanes;
              const Vec a = S::load(tile.at(r, v, lanes)) * S::load(f_.denominator + token);
              S::store(b_.deviation.data() + row * block + token, a);
              if (sums_)
                Format::put_along(along_at(b_.head_along, row, token), a + S::broadcast(mean[row]));
            }
        });
    if (sums_)
      add_weight_gradient(b_.head_along, s_.head_width, b_.dout_tokens,
                          sums_->out.data() + head_rows(h));
  }
  int64_t head_rows(int64_t h) const { return h * s_.head_width * GradientSums<Format>::width(s_); }

  // dnum in dhead, as columns and by tokens; dden.
  void attention_gradient(int64_t h) {
    multiply<Format>(back_.out[h].rows(), s_.head_width, {b_.dout.data(), block}, active_, s_.dim,
                     [&](const Tile& tile) {
                       for (int64_t r = 0; r < tile.rows; ++r)
                         for (int64_t v = 0; v < tile.vectors; ++v) {
                           const int64_t token = tile.column + v * lanes;
                           S::store(
                               b_.dhead.data() + (tile.row + r) * block + token,
                               S::load(tile.at(r, v, lanes)) * S::load(f_.denominator + token));
                         }
                     });
    for (int64_t t = 0; t < active_; t += lanes) {
      Vec sum = S::broadcast(0.0f);
      for (int64_t e = 0; e < s_.head_width; ++e)
        sum = S::fma(S::load(b_.dhead.data() + e * block + t),
                     S::load(b_.deviation.data() + e * block + t), sum);
      S::store(b_.dden + t, S::broadcast(0.0f) - sum);
    }
    put_columns(b_.dhead.data(), s_.head_width, {b_.dattended.data(), block});
    put_by_tokens(b_.dhead.data(), s_.head_width, b_.dattended_tokens);
  }

  // g of the queries, as columns; G.
  void query_feature_gradient(int64_t h) {
    const float* sums = saved_.keys.sums.data() + h * s_.features;
    std::fill(b_.total, b_.total + active_, 0.0f);
    multiply<Format>(context_along(h), s_.features, {b_.dattended.data(), block}, active_,
                     s_.head_width, [&](const Tile& tile) {
                       for (int64_t v = 0; v < tile.vectors; ++v) {
                         const int64_t token = tile.column + v * lanes;
                         const Vec dden = S::load(b_.dden + token);
                         Vec total = S::load(b_.total + token);
                         for (int64_t r = 0; r < tile.rows; ++r) {
                           const int64_t m = tile.row + r;
                           float* power = f_.projected.data() + m * block + token;
                           const Vec dphi =
                               S::fma(dden, S::broadcast(sums[m]), S::load(tile.at(r, v, lanes)));
                           const Vec g = dphi * S::load(power);
                           S::store(power, g);
                           total = total + g;
                         }
                         S::store(b_.total + token, total);
                       }
                     });
    for (int64_t t = 0; t < tokens_; ++t)
      f_.projected[static_cast<int64_t>(b_.source[t]) * block + t] -= b_.total[t];
    put_columns(f_.projected.data(), s_.features, {b_.dprojected.data(), block});
  }

  // From g to the gradient of a head's queries or keys, into its place among `dheads`; and that of
  // their weight.
  void head_gradient(int64_t h, float* weight_sums) {
    const Vec half_slope = S::broadcast(static_cast<float>(-c_ * c_));
    const Columns<Item> to{b_.dheads.data(), block};
    multiply<Format>(back_.projection.rows(), s_.head_width, {b_.dprojected.data(), block}, active_,
                     s_.features, [&](const Tile& tile) {
                       for (int64_t r = 0; r < tile.rows; ++r)
                         for (int64_t v = 0; v < tile.vectors; ++v) {
                           const int64_t row = tile.row + r, token = tile.column + v * lanes;
                           const Vec x = S::load(b_.head.data() + row * block + token);
                           const Vec factor = half_slope * S::load(b_.total + token);
                           const Vec dx = S::fma(factor, x, S::load(tile.at(r, v, lanes)));
                           S::store(tile.at(r, v, lanes), dx);
                           if (sums_) Format::put_along(along_at(b_.head_along, row, token), dx);
                         }
                       put_tile<Format>(tile, to, h * head_stride<Format>(s_) + tile.row);
                     });
    if (weight_sums)
      add_weight_gradient(b_.head_along, s_.head_width, b_.normed_tokens,
                          weight_sums + head_rows(h));
  }

  // dC and dS of the block's queries.
  void add_to_context(int64_t h) {
    float* dcontext = b_.dcontext.data() + h * s_.features * width_;
    multiply<Format>(along(b_.features_along), s_.features,
                     by_tokens(b_.dattended_tokens, s_.head_width), s_.head_width, active_,
                     [&](const Tile& tile) { add_tile<Format>(tile, dcontext, width_); });
    for (int64_t m = 0; m < s_.features; ++m) {
      float* sum = b_.dsums.data() + (h * s_.features + m) * lanes;
      Vec total = S::load(sum);
      for (int64_t t = 0; t < active_; t += lanes)
        total = S::fma(Format::get_along(along_at(b_.features_along, m, t)), S::load(b_.dden + t),
                       total);
      S::store(sum, total);
    }
  }

  // ---- Keys and values ----

  // dS to one number a row, and the row's part of the sum of all the keys' g.
  void settle_row(int64_t row) {
    const float dsum = S::sum(S::load(b_.dsums.data() + row * lanes));
    b_.dsums[row * lanes] = dsum;
    Vec along = S::broadcast(0.0f);
    for (int64_t e = 0; e < width_; e += lanes)
      along = S::fma(S::load(b_.dcontext.data() + row * width_ + e),
                     S::load(saved_.keys.context.data() + row * width_ + e), along);
    const float others = feature_floor * static_cast<float>(cell_tokens_);
    total_of_keys_ += S::sum(along) + static_cast<double>(dsum) * (saved_.keys.sums[row] - others);
  }

  void keys_of_head(int64_t h) {
    project(w_.k[h]);
    values(h);
    forward_.features();
    find_stabiliser();
    key_features();
    key_feature_gradient(h);
    value_gradient(h);
    head_gradient(h, sums_ ? sums_->k.data() : nullptr);
  }

  // v' as columns.
  void values(int64_t h) {
    const float* mean = saved_.keys.mean.data() + h * width_;
    multiply<Format>(back_.values[h].rows(), s_.head_width, forward_.normed(), active_, s_.dim,
                     [&](const Tile& tile) {
                       for (int64_t r = 0; r < tile.rows; ++r)
                         for (int64_t v = 0; v < tile.vectors; ++v)
                           S::store(tile.at(r, v, lanes),
                                    Format::rounded(S::load(tile.at(r, v, lanes))) -
                                        S::broadcast(mean[tile.row + r]));
                       put_tile<Format>(tile, {b_.values.data(), block}, tile.row);
                     });
  }

  // Looks for the one key feature that was the stabiliser; its place in the block, or -1.
  void find_stabiliser() {
    source_feature_ = -1;
    if (!saved_.own_stabiliser || stabiliser_found_) return;
    const float stabiliser = saved_.keys.stabiliser;
    if (forward_.largest_projection() < stabiliser) return;
    for (int64_t m = 0; m < s_.features; ++m)
      for (int64_t t = 0; t < tokens_; ++t) {
        if (f_.projected[m * block + t] < stabiliser) continue;
        source_feature_ = m;
        source_token_ = t;
        stabiliser_found_ = true;
        return;
      }
  }

  // phi_k as columns; phi_k - floor stays in `projected`.
  void key_features() {
    const Vec stabiliser = S::broadcast(saved_.keys.stabiliser);
    const Vec floor = S::broadcast(feature_floor);
    for (int64_t t = 0; t < active_; t += lanes) {
      const Vec shift = stabiliser + S::load(f_.half_norm + t);
      float* projected = f_.projected.data() + t;
      auto feature = [&](int64_t m) {
        if (m == s_.features) return S::broadcast(0.0f);
        const Vec power = exp2_of<Format>(S::load(projected + m * block) - shift);
        S::store(projected + m * block, power);
        return power + floor;
      };
      for (int64_t m = 0; m < s_.features; m += 2) {
        const Vec a = feature(m);
        Format::put({f_.query_features.data(), block}, m, t, a, feature(m + 1));
      }
    }
  }

  // g of the keys, as columns; G.
  void key_feature_gradient(int64_t h) {
    const float* dsums = b_.dsums.data() + h * s_.features * lanes;
    std::fill(b_.total, b_.total + active_, 0.0f);
    multiply<Format>(context_along(h), s_.features, {b_.values.data(), block}, active_,
                     s_.head_width, [&](const Tile& tile) {
                       for (int64_t v = 0; v < tile.vectors; ++v) {
                         const int64_t token = tile.column + v * lanes;
                         Vec total = S::load(b_.total + token);
                         for (int64_t r = 0; r < tile.rows; ++r) {
                           const int64_t m = tile.row + r;
                           float* power = f_.projected.data() + m * block + token;
                           const Vec dphi =
                               S::load(tile.at(r, v, lanes)) + S::broadcast(dsums[m * lanes]);
                           const Vec g = dphi * S::load(power);
                           S::store(power, g);
                           total = total + g;
                         }
                         S::store(b_.total + token, total);
                       }
                     });
    if (source_feature_ >= 0)
      f_.projected[source_feature_ * block + source_token_] -= static_cast<float>(total_of_keys_);
    put_columns(f_.projected.data(), s_.features, {b_.dprojected.data(), block});
  }

  // dv = dC^T phi_k, of the tokens that mean something.
  void value_gradient(int64_t h) {
    const Columns<Item> to{b_.dvalues.data(), block};
    multiply<Format>(dcontext_rows(h), s_.head_width, {f_.query_features.data(), block}, active_,
                     s_.features, [&](const Tile& tile) {
                       mask_tile(tile);
                       for (int64_t r = 0; r < tile.rows; ++r)
                         for (int64_t v = 0; v < tile.vectors; ++v)
                           Format::put_along(
                               along_at(b_.head_along, tile.row + r, tile.column + v * lanes),
                               S::load(tile.at(r, v, lanes)));
                       put_tile<Format>(tile, to, h * head_stride<Format>(s_) + tile.row);
                     });
    if (sums_)
      add_weight_gradient(b_.head_along, s_.head_width, b_.normed_tokens,
                          sums_->v.data() + head_rows(h));
  }
  void mask_tile(const Tile& tile) const {
    const int64_t meant = tokens_ - tile.column, there = tile.vectors * lanes;
    if (meant >= there) return;
    for (int64_t r = 0; r < tile.rows; ++r)
      std::fill(tile.at(r, 0, lanes) + std::max<int64_t>(meant, 0), tile.at(r, 0, lanes) + there,
                0.0f);
  }

  // The gradient of a head's context as rows, E x M.
  Rows<Item> dcontext_rows(int64_t h) {
    const Columns<Item> columns{b_.dcontext_columns.data(), width_};
    const float* from = b_.dcontext.data() + h * s_.features * width_;
    for (int64_t m = 0; m < s_.features; m += 2)
      for (int64_t e = 0; e < width_; e += lanes)
        Format::put(
            columns, m, e, S::load(from + m * width_ + e),
            m + 1 < s_.features ? S::load(from + (m + 1) * width_ + e) : S::broadcast(0.0f));
    Format::prepare_transposed(columns, s_.head_width, s_.features, b_.dcontext_rows.data());
    return Format::transposed(columns, s_.features, b_.dcontext_rows.data());
  }

  static constexpr float inverse_sqrt_2pi = 0.398942280f;

  const PackedLayer<Format>& w_;
  const PackedBackward<Format>& back_;
  const LayerSizes& s_;
  const SavedLayer<Format>& saved_;
  int64_t cell_tokens_;
  ForwardScratch<Format>& f_;
  BackwardScratch<Format>& b_;
  GradientSums<Format>* sums_;
  LayerForward<Format> forward_;
  int64_t width_;                    // E, padded
  double c_;                         // E^(-1/4)
  int64_t tokens_ = 0, active_ = 0;  // of the present block
  double total_of_keys_ = 0;         // sum of all the keys' g
  bool stabiliser_found_ = false;
  int64_t source_feature_ = -1, source_token_ = -1;
};

}  // namespace canal
