"""Ordinary programs: algorithms and data structures."""


def sorts_by_merging():
    def merge_sort(items):
        if len(items) < 2:
            return items
        middle = len(items) // 2
        left, right = merge_sort(items[:middle]), merge_sort(items[middle:])
        merged = []
        while left and right:
            merged.append(left.pop(0) if left[0] <= right[0] else right.pop(0))
        return merged + left + right

    return merge_sort([(n * 7919) % 101 for n in range(20)])


def sieves_primes():
    is_prime = [False, False] + [True] * 998
    for number in range(2, 32):
        if is_prime[number]:
            for multiple in range(number * number, 1000, number):
                is_prime[multiple] = False
    primes = [number for number, prime in enumerate(is_prime) if prime]
    return [len(primes), sum(primes), primes[-3:]]


def fills_a_knapsack():
    weights, values, capacity = [12, 7, 11, 8, 9, 6], [24, 13, 23, 15, 16, 11], 26
    best = [0] * (capacity + 1)
    for weight, value in zip(weights, values):
        for room in range(capacity, weight - 1, -1):
            best[room] = max(best[room], best[room - weight] + value)
    return best[capacity]


def finds_a_longest_common_subsequence():
    first, second = "evolution of programs", "revolving programmers"
    table = [[""] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            longer = max(table[i][j + 1], table[i + 1][j], key=len)
            table[i + 1][j + 1] = table[i][j] + a if a == b else longer
    return len(table[-1][-1])


def counts_edits():
    def distance(first, second):
        row = list(range(len(second) + 1))
        for i, a in enumerate(first, 1):
            before, row[0] = row[0], i
            for j, b in enumerate(second, 1):
                before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
        return row[-1]

    return [distance("kitten", "sitting"), distance("", "abc"), distance("sandbox", "sandbox")]


def multiplies_matrices():
    def product(a, b):
        return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]

    result = [[1, 0], [0, 1]]
    for _ in range(30):
        result = product(result, [[1, 1], [1, 0]])
    return result


def solves_linear_equations():
    from fractions import Fraction

    rows = [[2, 1, -1, 8], [-3, -1, 2, -11], [-2, 1, 2, -3]]
    rows = [[Fraction(number) for number in row] for row in rows]
    for i in range(3):
        pivot = next(k for k in range(i, 3) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [number / rows[i][i] for number in rows[i]]
        for k in range(3):
            if k != i:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i])]
    return [str(row[-1]) for row in rows]


def searches_a_maze():
    from collections import deque

    maze = ["S.#.....", "..#.###.", "..#...#.", ".##.#.#.", "....#..E"]
    distance, waiting = {(0, 0): 0}, deque([(0, 0)])
    while waiting:
        x, y = waiting.popleft()
        for step in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            inside = 0 <= step[0] < 8 and 0 <= step[1] < 5
            if inside and maze[step[1]][step[0]] != "#" and step not in distance:
                distance[step] = distance[x, y] + 1
                waiting.append(step)
    return distance[7, 4]


def finds_shortest_ways():
    import heapq

    roads = {"a": {"b": 7, "c": 9, "f": 14}, "b": {"c": 10, "d": 15}, "c": {"d": 11, "f": 2}}
    roads |= {"d": {"e": 6}, "f": {"e": 9}, "e": {}}
    known, waiting = {}, [(0, "a")]
    while waiting:
        length, town = heapq.heappop(waiting)
        if town not in known:
            known[town] = length
            for neighbour, road in roads[town].items():
                heapq.heappush(waiting, (length + road, neighbour))
    return known


def sorts_a_graph_topologically():
    from graphlib import CycleError, TopologicalSorter

    order = list(TopologicalSorter({"d": {"b", "c"}, "b": {"a"}, "c": {"b"}}).static_order())
    try:
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()
    except CycleError:
        return [order, "cycle"]
    return [order, "none"]


def places_queens():
    def place(row, columns, left, right):
        if row == 7:
            return 1
        free = (c for c in range(7) if c not in columns and row - c not in left and row + c not in right)
        return sum(place(row + 1, columns | {c}, left | {row - c}, right | {row + c}) for c in free)

    return place(0, frozenset(), frozenset(), frozenset())


def recurses_deeply():
    def depth_of(tree):
        return 0 if tree is None else 1 + depth_of(tree[0])

    tree = None
    for _ in range(800):
        tree = [tree]
    return depth_of(tree)


def multiplies_big_numbers():
    factorial = 1
    for number in range(2, 501):
        factorial *= number
    digits = str(factorial)
    return [len(digits), sum(map(int, digits)), pow(3, 10**18, 10**9 + 7), 2**127 - 1]


def plays_the_game_of_life():
    cells = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
    around = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
    for _ in range(20):
        counts = {}
        for x, y in cells:
            for dx, dy in around:
                counts[x + dx, y + dy] = counts.get((x + dx, y + dy), 0) + 1
        cells = {cell for cell, count in counts.items() if count == 3 or count == 2 and cell in cells}
    return sorted(list(cell) for cell in cells)


def joins_sets_with_union_find():
    parent = list(range(12))

    def root(node):
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in ((0, 1), (2, 3), (1, 3), (5, 6), (6, 7), (9, 10)):
        parent[root(a)] = root(b)
    return len({root(node) for node in range(12)})


def evaluates_an_expression():
    def value(tokens):
        total = term(tokens)
        while tokens and tokens[0] in "+-":
            total = total + term(tokens) if tokens.pop(0) == "+" else total - term(tokens)
        return total

    def term(tokens):
        total = factor(tokens)
        while tokens and tokens[0] == "*":
            tokens.pop(0)
            total *= factor(tokens)
        return total

    def factor(tokens):
        token = tokens.pop(0)
        if token != "(":
            return int(token)
        inner = value(tokens)
        tokens.pop(0)
        return inner

    return value("( 2 + 3 ) * ( 10 - 4 * 2 ) - 1".split())
