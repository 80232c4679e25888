// Consecutive layers of the encoder on a tier's kernels.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <vector>

#include "engine/kernels/kernel.h"
#include "engine/nn/parameters.h"

namespace canal {

// Spans side by side on LibTorch's threads; one after the other where cells already are.
SpanLoop side_by_side();

LayerSizes layer_sizes(const NetworkSizes& sizes);

class LayerStack {
 public:
  // Layers `first` to `last` - 1, packed (copied) as they are now.
  LayerStack(const Parameters& parameters, const NetworkSizes& sizes, int64_t first, int64_t last,
             const Tier& tier, Keep keep);

  // All layers, on what a pass has loaded.
  void run(CellPass& pass, const Control& control) const;
  // x: 1 x N x D, contiguous; becomes the last layer's output.
  void forward(const at::Tensor& x, const Control& control) const;

  // A way through the layers, for one thread at a time; it comes back when the lease ends.
  class Lease {
   public:
    explicit Lease(const LayerStack& stack);
    ~Lease();
    Lease(Lease&& other) noexcept = default;
    CellPass& operator*() const { return *pass_; }
    CellPass* operator->() const { return pass_.get(); }

   private:
    const LayerStack* stack_;
    std::unique_ptr<CellPass> pass_;
  };

  // Packs a layer (counted from the first of these) anew.
  void update(int64_t layer, const LayerParameters& parameters);

  int64_t depth() const { return depth_; }

 private:
  int64_t tokens_, depth_;
  Keep keep_;
  std::unique_ptr<EncoderKernel> kernel_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<CellPass>> idle_;
};

}  // namespace canal
