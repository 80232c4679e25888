// Where the time of a forward pass goes, on one thread: every product of the published network by
// itself, a whole pass, and what is left for norms, exponentials, gelu and moving numbers.
//
//   bench/kernels.sh [TOKENS]
#include <immintrin.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "engine/kernels/plain.h"

CANAL_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#include "engine/kernels/simd_avx512.h"
//
#include "engine/kernels/templates.h"
//
#include "engine/kernels/format_bfloat16.h"

namespace {

using canal::Columns;
using canal::LayerSizes;

const LayerSizes sizes{200, 10, 64, 266, 800};
const int depth = 6;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds of work(), the least of some tries.
template <class Work>
double seconds(const Work& work) {
  double least = 1e9;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const double start = now();
    for (int i = 0; i < 50; ++i) work();
    least = std::min(least, (now() - start) / 50);
  }
  return least;
}

struct Product {
  const char* name;
  int64_t rows, depth, columns;  // columns 0: the tokens of a block
  int64_t count;                 // in a layer
};

// Seconds per token and layer.
template <class Format>
double time_of(const Product& p) {
  const int64_t columns = p.columns > 0 ? p.columns : Format::block;
  const int64_t depth = p.depth > 0 ? p.depth : Format::block;
  const canal::PackedRows<Format> a(p.rows, depth, [](int64_t, int64_t) { return 0.01f; });
  canal::Buffer<typename Format::Item> b((canal::depth_items<Format>(depth) + 1) * columns);
  canal::Buffer<float> to(canal::round_up(p.rows, Format::tile_rows) * columns);
  const canal::Store store{to.data(), columns};
  return p.count / static_cast<double>(Format::block) * seconds([&] {
           canal::multiply<Format>(a.rows(), p.rows, {b.data(), columns}, columns, depth, store);
         });
}

// A network of random numbers; the views point into the store.
struct RandomLayers {
  std::vector<std::vector<float>> store;
  std::vector<canal::LayerView> views;
  std::mt19937 generator{1};

  const float* draw(int64_t count, float sd, float mean = 0) {
    std::normal_distribution<float> normal(mean, sd);
    store.emplace_back(count);
    for (float& value : store.back()) value = normal(generator);
    return store.back().data();
  }
  RandomLayers() {
    const int64_t d = sizes.dim, inner = sizes.heads * sizes.head_width, f = sizes.ff_width;
    for (int i = 0; i < depth; ++i)
      views.push_back({draw(d, 0.1f, 1), draw(d, 0.1f), draw(sizes.features * sizes.head_width, 1),
                       draw(inner * d, 0.07f), draw(inner * d, 0.07f), draw(inner * d, 0.07f),
                       draw(d * inner, 0.04f), draw(d, 0.05f), draw(d, 0.1f, 1), draw(d, 0.1f),
                       draw(f * d, 0.05f), draw(f, 0.05f), draw(d * f, 0.03f), draw(d, 0.05f)});
  }
};

// Seconds of a cell.
double time_of_pass(const canal::Tier& tier, int64_t tokens) {
  RandomLayers network;
  const auto encoder = tier.make(sizes, network.views, canal::Keep::nothing);
  const auto pass = encoder->pass(tokens, canal::Keep::nothing);
  std::vector<float> x(tokens * sizes.dim, 0.5f);
  const canal::Control control;
  const canal::SpanLoop loop = [](int64_t count, const std::function<void(int64_t)>& work) {
    for (int64_t i = 0; i < count; ++i) work(i);
  };
  double least = 1e9;
  for (int repeat = 0; repeat < 7; ++repeat) {
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 97) / 50 - 1;
    const double start = now();
    pass->load(x.data(), 0, tokens);
    for (int layer = 0; layer < depth; ++layer)
      pass->finish(layer, pass->keys(layer, loop, control), loop, control);
    least = std::min(least, now() - start);
  }
  return least;
}

template <class Format>
void report(const canal::Tier& tier, int64_t tokens) {
  if (!tier.runs_here()) return;
  const int64_t d = sizes.dim, e = sizes.head_width, m = sizes.features, h = sizes.heads;
  const Product products[] = {{"q, k, v", e, d, 0, 3 * h},
                              {"P q, P k", m, e, 0, 2 * h},
                              {"phi_k^T v", m, 0, e, h},
                              {"phi_q context", e, m, 0, h},
                              {"W_o", d, h * e, 0, 1},
                              {"W_1", sizes.ff_width, d, 0, 1},
                              {"W_2", d, sizes.ff_width, 0, 1}};
  const double total = time_of_pass(tier, tokens);
  double in_products = 0;
  std::printf("\n%s, %lld tokens, one thread: %.4f s a cell\n", tier.name,
              static_cast<long long>(tokens), total);
  std::printf("| part | MFLOP per token and layer | GFLOP/s | share |\n|---|---|---|---|\n");
  for (const Product& p : products) {
    const double flops = 2.0 * p.count * p.rows * (p.depth > 0 ? p.depth : 1) *
                         (p.columns > 0 ? p.columns : 1);
    const double time = time_of<Format>(p);
    in_products += time * depth * tokens;
    std::printf("| %s | %.2f | %.0f | %.0f %% |\n", p.name, flops * 1e-6, flops / time * 1e-9,
                100 * time * depth * tokens / total);
  }
  std::printf("| all else | | | %.0f %% |\n", 100 * (1 - in_products / total));
}

}  // namespace

int main(int count, char** arguments) {
  const int64_t tokens = count > 1 ? std::atoll(arguments[1]) : 1001;
  report<canal::Bfloat16>(canal::avx512_bf16_tier(), tokens);
  report<canal::Float32<canal::Avx512>>(canal::avx512_tier(), tokens);
}
CANAL_TARGET_END
