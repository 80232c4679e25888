// A tier's encoder: packed layers, and a cell's way through them. Included inside a tier's target
// region.
#pragma once

namespace canal {

// Tokens of a span: twelve blocks of 96, six of 192. A cell of up to that many is one piece of
// work.
inline constexpr int64_t span_tokens = 1152;

template <class Format>
struct PackedEncoder : EncoderKernel {
  LayerSizes sizes;
  std::vector<PackedLayer<Format>> layers;
  std::vector<PackedBackward<Format>> back;  // none where nothing is kept for it

  PackedEncoder(const LayerSizes& s, const std::vector<LayerView>& views, Keep keep) : sizes(s) {
    for (const LayerView& view : views) layers.emplace_back(view, s);
    if (keep == Keep::nothing) return;
    for (const LayerView& view : views) back.emplace_back(view, s);
  }
  std::unique_ptr<CellPass> pass(int64_t tokens, Keep keep) const override;
  void update(int64_t layer, const LayerView& view) override {
    layers[layer] = PackedLayer<Format>(view, sizes);
    if (!back.empty()) back[layer] = PackedBackward<Format>(view, sizes);
  }
};

// What a pass has beside its residual where it will go back.
template <class Format>
struct WayBack {
  std::vector<SavedLayer<Format>> layers;
  Residual<Format> gradient;  // of the residual
  Residual<Format> normed;    // of a layer's normed input
  ForwardScratch<Format> forward;
  BackwardScratch<Format> scratch;
  GradientSums<Format> sums;
  std::unique_ptr<LayerBackward<Format>> layer;  // between its two halves

  WayBack(int64_t tokens, int64_t depth, const LayerSizes& s)
      : gradient(tokens, s.dim), normed(tokens, s.dim), forward(s), scratch(s), sums(s) {
    for (int64_t l = 0; l < depth; ++l) layers.emplace_back(tokens, s);
  }
};

template <class Format>
class TierPass : public CellPass {
 public:
  TierPass(const PackedEncoder<Format>& encoder, int64_t tokens, Keep keep)
      : encoder_(encoder), s_(encoder.sizes), tokens_(tokens), x_(tokens, s_.dim), key_sums_(s_) {
    for (int64_t first = 0; first < tokens; first += span_tokens) spans_.emplace_back(s_);
    const int64_t depth = static_cast<int64_t>(encoder.layers.size());
    if (keep == Keep::for_backward) back_.reset(new WayBack<Format>(tokens, depth, s_));
  }

  void load(const float* x, int64_t first, int64_t count) override { x_.load(x, first, count); }
  void store(float* x, int64_t first, int64_t count) const override { x_.store(x, first, count); }

  float keys(int64_t layer, const SpanLoop& loop, const Control& control) override {
    loop(spans(), [&](int64_t i) {
      spans_[i].clear();
      with_scratch(layer, [&](LayerForward<Format>& forward) {
        for_each_block(i, control, [&](int64_t first, int64_t tokens) {
          forward.keys(x_.at(first), tokens, spans_[i]);
        });
      });
    });
    own_stabiliser_ = nothing_yet;
    for (const auto& span : spans_) own_stabiliser_ = std::max(own_stabiliser_, span.largest);
    return own_stabiliser_;
  }

  void finish(int64_t layer, float stabiliser, const SpanLoop& loop,
              const Control& control) override {
    SavedLayer<Format>* saved = back_ ? &back_->layers[layer] : nullptr;
    KeySums<Format>& sums = saved ? saved->keys : key_sums_;
    if (saved) saved->own_stabiliser = stabiliser == own_stabiliser_;
    sums.stabiliser = stabiliser;
    loop(s_.heads,
         [&](int64_t h) { Combine<Format>(s_, spans_, tokens_, stabiliser, sums).head(h); });
    loop(spans(), [&](int64_t i) {
      with_scratch(layer, [&](LayerForward<Format>& forward) {
        for_each_block(i, control, [&](int64_t first, int64_t tokens) {
          float* x = x_.at(first);
          if (saved) std::copy(x, x + Format::block * s_.dim, saved->before.at(first));
          forward.queries(x, tokens, sums, saved ? saved->middle.at(first) : x, x);
        });
      });
    });
  }

  void load_gradient(const float* dx) override { back_->gradient.load(dx, 0, tokens_); }
  void store_gradient(float* dx) const override { back_->gradient.store(dx, 0, tokens_); }

  double backward_queries(int64_t layer, bool learns, const Control& control) override {
    if (learns) back_->sums.clear();
    back_->layer.reset(new LayerBackward<Format>(encoder_.layers[layer], encoder_.back[layer], s_,
                                                 back_->layers[layer], tokens_, back_->forward,
                                                 back_->scratch, learns ? &back_->sums : nullptr));
    for (int64_t i = 0; i < spans(); ++i)
      for_each_block(i, control, [&](int64_t first, int64_t tokens) {
        back_->layer->feed_forward_and_queries(first, tokens, back_->gradient.at(first),
                                               back_->normed.at(first));
      });
    return back_->layer->settle_context();
  }

  void backward_keys(double stabiliser_gradient, const LayerGradients* gradients,
                     const Control& control) override {
    for (int64_t i = 0; i < spans(); ++i)
      for_each_block(i, control, [&](int64_t first, int64_t tokens) {
        back_->layer->keys(first, tokens, stabiliser_gradient, back_->gradient.at(first),
                           back_->normed.at(first));
      });
    if (gradients) back_->sums.add_to(*gradients, s_);
  }

 private:
  int64_t spans() const { return static_cast<int64_t>(spans_.size()); }

  // work(forward) with a scratch that no other thread uses; there are as many as threads.
  template <class Work>
  void with_scratch(int64_t layer, const Work& work) {
    std::unique_ptr<ForwardScratch<Format>> scratch;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!scratch_.empty()) {
        scratch = std::move(scratch_.back());
        scratch_.pop_back();
      }
    }
    if (!scratch) scratch.reset(new ForwardScratch<Format>(s_));
    LayerForward<Format> forward(encoder_.layers[layer], s_, *scratch);
    work(forward);
    const std::lock_guard<std::mutex> lock(mutex_);
    scratch_.push_back(std::move(scratch));
  }

  template <class Work>
  void for_each_block(int64_t span, const Control& control, const Work& work) const {
    const int64_t end = std::min(tokens_, (span + 1) * span_tokens);
    for (int64_t first = span * span_tokens; first < end; first += Format::block) {
      control.check();
      work(first, x_.tokens_of_block(first));
    }
  }

  const PackedEncoder<Format>& encoder_;
  const LayerSizes& s_;
  int64_t tokens_;
  Residual<Format> x_;
  std::vector<SpanSums<Format>> spans_;
  KeySums<Format> key_sums_;
  float own_stabiliser_ = nothing_yet;  // of the layer that keys() has just seen
  std::mutex mutex_;
  std::vector<std::unique_ptr<ForwardScratch<Format>>> scratch_;
  std::unique_ptr<WayBack<Format>> back_;
};

template <class Format>
std::unique_ptr<CellPass> PackedEncoder<Format>::pass(int64_t tokens, Keep keep) const {
  return std::unique_ptr<CellPass>(new TierPass<Format>(*this, tokens, keep));
}

template <class Format>
std::unique_ptr<EncoderKernel> make_encoder(const LayerSizes& sizes,
                                            const std::vector<LayerView>& layers, Keep keep) {
  return std::unique_ptr<EncoderKernel>(new PackedEncoder<Format>(sizes, layers, keep));
}

}  // namespace canal
