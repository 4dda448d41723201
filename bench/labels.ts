/** The template of all sides. */
export const TEMPLATE = 'a photo of a {}';

export const TWO_LABELS = ['cat', 'dog'];

const THINGS =
  'apple,arm,axe,bag,ball,bank,barn,basket,bat,beach,bear,bed,bee,bell,bench,bike,bird,boat,book,boot,bottle,bowl,box,bread,' +
  'bridge,broom,brush,bus,cake,camel,candle,car,carpet,castle,cave,chair,church,city,clock,cloud,coat,coin,comb,cow,crab,' +
  'crane,cup,deer,desk,door,dress,drum,duck,eagle,ear,egg,face,farm,fence,field,fish,flag,flower,foot,fork,fox,frog,garden,' +
  'goat,guitar,hammer,hand,hat,hill,horse,house,island,key,kite,knife,ladder,lake,lamp,leaf,lion,map,mirror,monkey,moon,' +
  'mountain,mouse,nest,ocean,owl,pen,piano,plane,rabbit,river,road';

/** A hundred labels. */
export const HUNDRED_LABELS = THINGS.split(',');

/** A thousand labels. */
export const THOUSAND_LABELS = Array.from({ length: 10 }, (_, n) =>
  HUNDRED_LABELS.map((thing) => `${thing} ${n}`),
).flat();
