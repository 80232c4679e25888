#include "targets.h"

#include <iterator>
#include <stdexcept>

namespace canal_fuzz {

const std::vector<Target>& targets() {
  static const std::vector<Target> all = [] {
    std::vector<Target> found;
    for (auto* part : {table_targets, pickle_targets, hdf5_targets, made_targets}) {
      const std::vector<Target> some = part();
      found.insert(found.end(), some.begin(), some.end());
    }
    return found;
  }();
  return all;
}

const Target& target(const std::string& name) {
  for (const Target& one : targets()) {
    if (name == one.name) return one;
  }
  throw std::out_of_range("no target '" + name + "'");
}

}  // namespace canal_fuzz
