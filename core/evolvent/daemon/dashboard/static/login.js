// A link of `evolvent dashboard` carries its one-time code behind the #, which is never sent by itself.
(() => {
  const code = location.hash.slice(1);
  if (!/^[\w-]{43}$/.test(code)) return;
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("login");
  form.elements.token.value = code;
  if ("elsewhere" in form.dataset) {
    // Another page led here: then only a code of the command line logs in by itself.
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "elsewhere", value: "true" });
    form.append(field);
  }
  form.submit();
})();
