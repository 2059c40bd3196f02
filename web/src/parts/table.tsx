// A table that draws only the rows in sight, so that a thousand change at once without lag.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export interface Column<T> {
  name: string;
  cell: (row: T) => ComponentChildren;
  /** What rows are sorted by; a column without it cannot be sorted. */
  order?: (row: T) => number | string;
  right?: boolean;
  /** Left out on narrow screens. */
  extra?: boolean;
  grow?: boolean;
}

interface Props<T> {
  caption: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  nameOf: (row: T) => string;
  onOpen?: (row: T) => void;
  empty: ComponentChildren;
  /** Column and direction at first. */
  sorted?: { column: string; down: boolean };
  /** Rows are drawn only in sight from this number on. */
  tall?: boolean;
}

const ROW = 44;
const BEYOND = 8;

export function Table<T>({ caption, rows, columns, nameOf, onOpen, empty, sorted, tall }: Props<T>) {
  const [order, setOrder] = useState(sorted ?? null);
  const [from, setFrom] = useState(0);
  const [height, setHeight] = useState(900);
  const box = useRef<HTMLDivElement>(null);
  const isEmpty = rows.length === 0;
  useEffect(() => {
    const element = box.current;
    if (!tall || element === null) return;
    const seen = new ResizeObserver(() => setHeight(element.clientHeight || 900));
    seen.observe(element);
    return () => seen.disconnect();
  }, [tall, isEmpty]);
  const listed = order === null ? rows : ordered(rows, columns, order);
  const first = tall ? Math.max(0, Math.min(from, listed.length) - BEYOND) : 0;
  const shown = tall ? listed.slice(first, first + Math.ceil(height / ROW) + 2 * BEYOND) : listed;
  const below = (listed.length - first - shown.length) * ROW;
  if (isEmpty) return <div class="table-empty">{empty}</div>;
  const scroll = (event: Event) => {
    const top = Math.floor((event.currentTarget as HTMLElement).scrollTop / ROW);
    if (Math.abs(top - from) >= BEYOND / 2 || top === 0) setFrom(top);
  };
  return (
    <div
      class={`table-box ${tall ? "tall" : ""}`}
      ref={box}
      onScroll={tall ? scroll : undefined}
      tabIndex={tall ? 0 : undefined}
      role={tall ? "region" : undefined}
      aria-label={tall ? caption : undefined}
    >
      <table aria-rowcount={tall ? listed.length + 1 : undefined}>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Heading key={column.name} column={column} order={order} turn={setOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <Space height={first * ROW} columns={columns.length} />}
          {shown.map((row, index) => (
            <tr
              key={nameOf(row)}
              class={onOpen ? "opens" : ""}
              aria-rowindex={tall ? first + index + 2 : undefined}
              onClick={onOpen && ((event) => !(event.target as Element).closest("a,button") && onOpen(row))}
            >
              {columns.map((column) => (
                <td key={column.name} class={classesOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
          {below > 0 && <Space height={below} columns={columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

type Order = { column: string; down: boolean };

function Heading<T>({ column, order, turn }: { column: Column<T>; order: Order | null; turn: (order: Order) => void }) {
  const is = order?.column === column.name ? order : null;
  return (
    <th class={classesOf(column)} scope="col" aria-sort={is ? (is.down ? "descending" : "ascending") : undefined}>
      {column.order ? (
        <button type="button" class="sort" onClick={() => turn({ column: column.name, down: is ? !is.down : false })}>
          {column.name}
          <span aria-hidden="true">{is ? (is.down ? " ↓" : " ↑") : ""}</span>
        </button>
      ) : (
        column.name
      )}
    </th>
  );
}

function Space({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden="true" class="space">
      <td colSpan={columns} style={{ height: `${height}px` }} />
    </tr>
  );
}

function classesOf<T>(column: Column<T>): string {
  return [column.right && "right", column.extra && "extra", column.grow && "grow"].filter(Boolean).join(" ");
}

function ordered<T>(rows: readonly T[], columns: readonly Column<T>[], order: Order): T[] {
  const by = columns.find((column) => column.name === order.column)?.order;
  if (by === undefined) return [...rows];
  const sign = order.down ? -1 : 1;
  return rows
    .map((row, index) => ({ row, index, value: by(row) }))
    .sort((one, two) => {
      if (one.value === two.value) return one.index - two.index;
      const less =
        typeof one.value === "string" && typeof two.value === "string"
          ? one.value.localeCompare(two.value, undefined, { numeric: true }) < 0
          : one.value < two.value;
      return less ? -sign : sign;
    })
    .map((item) => item.row);
}
