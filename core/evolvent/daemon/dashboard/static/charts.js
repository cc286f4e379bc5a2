// Draws what [data-chart] elements hold in data-values; the same is in a table beside each.
(() => {
  const drawn = new Map(); // element -> its chart
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (text, most) => (text.length > most ? `${text.slice(0, most)}…` : text);
  const figure = (value) => (value === null ? "–" : value.toFixed(3));

  // Viridis: its steps look equal, also to people who see fewer colours.
  const VIRIDIS = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];
  const mix = (a, b, share) =>
    `#${[1, 3, 5]
      .map((at) => {
        const [from, to] = [a, b].map((colour) => parseInt(colour.slice(at, at + 2), 16));
        return Math.round(from + (to - from) * share)
          .toString(16)
          .padStart(2, "0");
      })
      .join("")}`;
  const shade = (share) => {
    const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
    const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
    return mix(VIRIDIS[below], VIRIDIS[below + 1], place - below);
  };

  const common = () => ({
    animation: false,
    textStyle: { color: style("--ink"), fontFamily: "sans-serif" },
    // Rich text is drawn; HTML in a tooltip would bring styles that the policy of the page forbids.
    tooltip: {
      renderMode: "richText",
      backgroundColor: style("--card"),
      borderColor: style("--line"),
      textStyle: { color: style("--ink") },
    },
    grid: { left: 8, right: 24, top: 36, bottom: 8, containLabel: true },
  });
  const axis = (more) => ({
    axisLine: { lineStyle: { color: style("--soft") } },
    axisLabel: { color: style("--soft") },
    nameTextStyle: { color: style("--soft") },
    splitLine: { lineStyle: { color: style("--line") } },
    ...more,
  });
  // One line: on a phone it is turned over instead of lying on the chart.
  const legend = () => ({
    type: "scroll",
    top: 0,
    left: 0,
    textStyle: { color: style("--ink") },
    pageTextStyle: { color: style("--soft") },
    pageIconColor: style("--ink"),
    pageIconInactiveColor: style("--line"),
  });

  const gate = (tests) => ({
    ...common(),
    grid: { ...common().grid, bottom: 32 },
    legend: legend(),
    tooltip: {
      ...common().tooltip,
      trigger: "item",
      formatter: ({ data }) => {
        const test = tests[data.at];
        if (!test) return "";
        const range = `${figure(test.low)} to ${figure(test.high)}`;
        return `test ${test.number}: ${test.variant}\n${figure(test.score)} (${range})\nactive program ${figure(test.incumbent)}\n${test.accepted ? "accepted" : "refused"}`;
      },
    },
    xAxis: axis({ type: "value", name: "number of the test", nameLocation: "middle", nameGap: 28, minInterval: 1, min: "dataMin", max: "dataMax" }),
    yAxis: axis({ type: "value", scale: true }),
    series: [
      {
        name: "active program",
        type: "line",
        step: "end",
        symbol: "none",
        lineStyle: { color: style("--soft"), width: 2 },
        itemStyle: { color: style("--soft") },
        data: tests.map((test, at) => ({ value: [test.number, test.incumbent], at })),
      },
      {
        name: "95 % interval",
        type: "custom",
        itemStyle: { color: style("--soft") },
        renderItem: (_, api) => {
          const [x, low] = api.coord([api.value(0), api.value(1)]);
          const high = api.coord([api.value(0), api.value(2)])[1];
          const line = (x1, y1, x2, y2) => ({
            type: "line",
            shape: { x1, y1, x2, y2 },
            style: { stroke: style("--soft"), lineWidth: 1 },
          });
          return {
            type: "group",
            children: [line(x, low, x, high), line(x - 3, low, x + 3, low), line(x - 3, high, x + 3, high)],
          };
        },
        encode: { x: 0, y: [1, 2] },
        data: tests.map((test, at) => ({ value: [test.number, test.low, test.high], at })),
        z: 1,
      },
      ...[
        ["refused", false, "--soft", "circle"],
        ["accepted", true, "--good", "diamond"],
      ].map(([name, accepted, colour, symbol]) => ({
        name,
        type: "scatter",
        symbol,
        symbolSize: accepted ? 14 : 8,
        itemStyle: { color: style(colour) },
        data: tests
          .map((test, at) => ({ value: [test.number, test.score], at, href: test.href }))
          .filter(({ at }) => tests[at].accepted === accepted),
        z: 3,
      })),
    ],
  });

  const byDay = (days, series, more = {}) => ({
    ...common(),
    ...(series.length > 1 ? { legend: legend() } : { grid: { ...common().grid, top: 12 } }),
    tooltip: { ...common().tooltip, trigger: "axis" },
    xAxis: axis({ type: "category", data: days.map(({ day }) => day) }),
    yAxis: axis({ type: "value", minInterval: 1 }),
    series,
    ...more,
  });
  const tokens = (days) =>
    byDay(days, [
      {
        name: "tokens for each solved task",
        type: "line",
        connectNulls: true,
        symbolSize: 7,
        lineStyle: { color: style("--series-1") },
        itemStyle: { color: style("--series-1") },
        data: days.map((day) => day.tokens_per_solved),
      },
    ]);
  const skills = (days) =>
    byDay(days, [
      { name: "admitted", type: "bar", itemStyle: { color: style("--good") }, data: days.map((day) => day.admitted) },
      { name: "retired", type: "bar", itemStyle: { color: style("--bad") }, data: days.map((day) => day.retired) },
    ]);

  const lineage = (rows, element) => {
    const scores = rows.filter(({ score }) => score !== null).map(({ score }) => score);
    const [low, high] = [Math.min(...scores), Math.max(...scores)];
    const colour = (score) =>
      score === null ? style("--line") : shade(high > low ? (score - low) / (high - low) : 0.5);
    const nodes = new Map();
    const roots = [];
    let deepest = 0;
    for (const row of rows) {
      const above = nodes.get(row.above);
      const node = {
        name: row.id.slice(0, 10),
        row,
        depth: above ? above.depth + 1 : 0,
        children: [],
        symbolSize: row.active ? 18 : 11,
        symbol: row.viable ? "circle" : "emptyCircle",
        itemStyle: {
          color: colour(row.score),
          borderColor: row.active ? style("--ink") : style("--soft"),
          borderWidth: row.active ? 3 : 1,
        },
        label: { fontWeight: row.active ? "bold" : "normal" },
      };
      deepest = Math.max(deepest, node.depth);
      nodes.set(row.id, node);
      (above ? above.children : roots).push(node);
    }
    const leaves = rows.filter(({ id }) => !nodes.get(id).children.length).length;
    element.style.height = `${Math.max(220, leaves * 28 + 40)}px`;
    element.style.minWidth = `${Math.max(320, (deepest + 1) * 110 + 120)}px`;
    const root = roots.length === 1 ? roots[0] : { name: "archive", children: roots, symbolSize: 4, depth: 0 };
    return {
      ...common(),
      tooltip: {
        ...common().tooltip,
        trigger: "item",
        formatter: ({ data: { row } }) =>
          row
            ? `${row.id.slice(0, 10)} ${row.active ? "(active) " : ""}by ${row.operator}\nscore ${figure(row.score)} on ${row.trials} tasks\n${(row.hypothesis.match(/.{1,60}/gsu) ?? []).slice(0, 4).join("\n")}`
            : "",
      },
      series: [
        {
          type: "tree",
          data: [root],
          left: 72,
          right: 120,
          top: 16,
          bottom: 16,
          roam: false,
          expandAndCollapse: false,
          initialTreeDepth: -1,
          lineStyle: { color: style("--soft"), width: 1, curveness: 0.5 },
          label: {
            position: "top",
            distance: 3,
            color: style("--ink"),
            fontSize: 11,
            formatter: ({ data: { row, name } }) => (row ? `${short(name, 7)}  ${figure(row.score)}` : name),
          },
          leaves: { label: { position: "right", distance: 6 } },
          emphasis: { focus: "ancestor" },
        },
      ],
    };
  };

  const KINDS = { gate, tokens, skills, lineage };

  const draw = () => {
    for (const element of document.querySelectorAll("[data-chart]")) {
      const values = JSON.parse(element.dataset.values);
      if (!values.length) continue;
      const option = KINDS[element.dataset.chart](values, element);
      let chart = drawn.get(element);
      if (!chart) {
        chart = echarts.init(element, null, { renderer: "svg" });
        drawn.set(element, chart);
        chart.on("click", ({ data }) => {
          const href = data?.href ?? (data?.row && `/lineage/${encodeURIComponent(data.row.id)}`);
          if (href) location.assign(href);
        });
      }
      chart.setOption(option, true);
      chart.resize();
    }
  };

  document.addEventListener("DOMContentLoaded", draw);
  document.addEventListener("evolvent:theme", () => {
    if (drawn.size) draw();
  });
  addEventListener("resize", () => drawn.forEach((chart) => chart.resize()));
})();
