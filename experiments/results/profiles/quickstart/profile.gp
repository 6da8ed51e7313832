set title "verdict: compute-bound, medium confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key top left
$legs << END
"L" 2.327595 2.104056 2.649013
"C" 159.185801 115.486237 180.645926
"A" 159.185801 115.486237 180.645926
"X" 124.222285 112.607118 169.478784
"E" 156.748242 119.000798 184.387235
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 159.185801 lc rgb '#D55E00' lw 2 title 'predicted'
