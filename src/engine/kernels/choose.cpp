#include "engine/kernels/choose.h"

#include "engine/errors.h"

namespace canal {

namespace {

bool fits(const Tier& tier, Precision precision) {
  return precision == Precision::automatic || tier.reduced == (precision == Precision::bfloat16);
}

[[noreturn]] void refuse(const std::string& wanted, const std::string& reason) {
  std::string there;
  for (const std::string& name : available_kernels()) there += (there.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::input,
              wanted + " is not to be had: " + reason + " There are: " + there + ".");
}

const Tier* named_tier(const Compute& compute) {
  for (const Tier& tier : tiers()) {
    if (tier.name != compute.kernels) continue;
    if (!tier.runs_here())
      refuse("\"" + compute.kernels + "\"", "this CPU lacks its instructions.");
    if (!fits(tier, compute.precision))
      refuse("\"" + compute.kernels + "\"", "it computes in the other precision.");
    return &tier;
  }
  refuse("\"" + compute.kernels + "\"", "this build has no kernels of that name.");
}

}  // namespace

const Tier* choose_tier(const Compute& compute) {
  if (compute.device != "cpu") return nullptr;
  if (compute.kernels == "libtorch") return nullptr;
  if (!compute.kernels.empty()) return named_tier(compute);
  for (const Tier& tier : tiers())
    if (tier.runs_here() && fits(tier, compute.precision)) return &tier;
  if (compute.precision == Precision::bfloat16)
    refuse("bfloat16", "this CPU does not multiply such numbers.");
  return nullptr;
}

bool reduces_products(const Compute& compute) {
  if (const Tier* tier = choose_tier(compute)) return tier->reduced;
  if (compute.device == "cpu") return compute.precision == Precision::bfloat16;
  return compute.precision != Precision::float32;
}

std::string kernels_for(const Compute& compute) {
  const Tier* tier = choose_tier(compute);
  return tier == nullptr ? "libtorch" : tier->name;
}

std::vector<std::string> available_kernels() {
  std::vector<std::string> names;
  for (const Tier& tier : tiers())
    if (tier.runs_here()) names.emplace_back(tier.name);
  names.emplace_back("libtorch");
  return names;
}

}  // namespace canal
