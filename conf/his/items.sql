-- 收费项目、药品、耗材字典及其国家编码
SELECT x.id      AS row_id,
       x.xgsj    AS changed_at,
       x.xmbm    AS medins_list_codg,
       x.xmmc    AS medins_list_name,
       x.xmlb    AS item_class,
       x.gjbm    AS med_list_codg,
       x.gg      AS spec,
       x.dw      AS unit,
       x.dj      AS pric,
       x.zfbz    AS void_flag
FROM   xm_zd x
