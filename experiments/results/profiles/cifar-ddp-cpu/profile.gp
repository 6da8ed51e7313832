set title "verdict: compute-bound, medium confidence" noenhanced
set ylabel 'microseconds an image'
set yrange [0:*]
set grid y
set style fill solid 0.8
set boxwidth 0.6
set key outside top center horizontal samplen 1
$legs << END
"L" 48.113454 48.113454 48.113454
"C" 10188.310883 10188.310883 10188.310883
"A" 10188.310883 10188.310883 10188.310883
"X" 9680.912391 9680.912391 9680.912391
"E" 9830.816441 9830.816441 9830.816441
END
plot $legs using 0:2:xtic(1) with boxes lc rgb '#0072B2' title 'median', $legs using 0:2:3:4 with yerrorbars lc rgb '#000000' pt 0 title '95 % interval', 10188.310883 lc rgb '#D55E00' lw 2 title 'predicted'
