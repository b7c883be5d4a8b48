import 'uplot/dist/uPlot.min.css'
import { useElementSize, useMergedRef } from '@mantine/hooks'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import { formatClock } from '~/lib/time'

interface Props {
  label: string
  /** Seconds since the epoch, growing. */
  times: readonly number[]
  /** One for each time. */
  values: readonly number[]
  /** Distances that the lines of the grid may have, growing. */
  steps: readonly number[]
  format: (value: number) => string
}

const HEIGHT = 120
const AXIS_WIDTH = 62

/** A small curve from zero. Its last value stands beside it in words for those who do not see it. */
export function UsageChart({ label, times, values, steps, format }: Props) {
  const { ref: sizeRef, width } = useElementSize()
  const box = useRef<HTMLDivElement>(null)
  const ref = useMergedRef(sizeRef, box)
  const plot = useRef<uPlot>(undefined)
  const data = useRef<uPlot.AlignedData>([[], []])

  useEffect(() => {
    data.current = [times, values].map((column) => [...column]) as uPlot.AlignedData
    plot.current?.setData(data.current)
  }, [times, values])

  useEffect(() => {
    if (!box.current || width === 0) return
    const made = new uPlot(optionsOf(box.current, width, steps, format), data.current, box.current)
    plot.current = made
    return () => {
      plot.current = undefined
      made.destroy()
    }
  }, [width, steps, format])

  const last = values.at(-1)
  const words = last === undefined ? label : `${label}: ${format(last)}`
  return <div ref={ref} role="img" aria-label={words} style={{ minHeight: HEIGHT }} />
}

function optionsOf(
  element: Element,
  width: number,
  steps: readonly number[],
  format: (value: number) => string,
): uPlot.Options {
  const style = getComputedStyle(element)
  const [line, quiet, text] = ['--state-busy', '--line', '--mantine-color-dimmed'].map((name) =>
    style.getPropertyValue(name),
  )
  const axis = { stroke: text, grid: { stroke: quiet, width: 1 }, ticks: { show: false }, font: '11px system-ui' }
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    // The last time of the axis stands in the middle below its line.
    padding: [8, 26, 0, 0],
    scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1] } },
    axes: [
      { ...axis, size: 26, space: 90, values: (_, seconds) => seconds.map((second) => formatClock(second * 1000)) },
      { ...axis, size: AXIS_WIDTH, space: 28, incrs: [...steps], values: (_, values) => values.map(format) },
    ],
    series: [{}, { stroke: line, width: 1.5, points: { show: false } }],
  }
}
