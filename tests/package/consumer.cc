// Plans a conversion with the installed library and prints what it would write.
#include <iostream>

#include "compare/compare.h"
#include "compare/inspect.h"
#include "convert/convert.h"
#include "verify/verify.h"
#include "view/model_view.h"

int main(int count, char** words) {
  if (count != 2) return 2;
  thaw::ConvertOptions options;
  options.model = words[1];
  const auto plan = thaw::plan_conversion(options, thaw::real_file_system());
  if (!plan.ok()) {
    std::cerr << plan.error().text() << '\n';
    return static_cast<int>(plan.error().code);
  }
  std::cout << plan.value().linears << " linears, " << plan.value().tensors << " tensors\n";
  return 0;
}
